#!/usr/bin/env python3
"""This module is Django's command line for the console, and `up`, which makes the environment that every other command needs."""

import importlib.util
import os
import shlex
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"


def main() -> None:
    use_installed_packages()
    if sys.argv[1:2] == ["up"]:
        from cimadmin.up import main as up

        sys.exit(up(sys.argv[2:]))
    use_environment_of_up()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cimadmin.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(
            f"manage.py: {error} `python3 run.py up` sets all of it for its own data folder; where that was started with --data DIR, "
            "set CIM_DATA=DIR."
        )


def use_installed_packages() -> None:
    """Go on in .venv, which `run.py up` made, where this Python has no Django: `python3 manage.py` works as the pages say it."""
    if importlib.util.find_spec("django") is not None:
        return
    python = VENV / "bin" / "python"
    if not python.exists() or Path(sys.prefix) == VENV:
        sys.exit(
            f"manage.py: {sys.executable} has no Django. `python3 run.py up` installs it into .venv; start it once, then do the same again."
        )
    os.execv(python, [str(python), str(ROOT / "manage.py"), *sys.argv[1:]])


def use_environment_of_up() -> None:
    """Take what the last `up` on this data folder (CIM_DATA, else ./var) used, as far as the environment does not say otherwise."""
    data = os.environ.get("CIM_DATA") or ROOT / "var"
    path = Path(data) / "environment"
    if path.exists() and "CIM_NATS_URL" not in os.environ:
        for assignment in shlex.split(path.read_text()):
            name, _, value = assignment.partition("=")
            os.environ.setdefault(name, value)


if __name__ == "__main__":
    main()
