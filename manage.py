#!/usr/bin/env python3
"""This module is Django's command line for the console, and `up`, which makes the environment that every other command needs."""

import os
import shlex
import sys
from pathlib import Path


def main() -> None:
    if sys.argv[1:2] == ["up"]:
        from cimadmin.up import main as up

        sys.exit(up(sys.argv[2:]))
    use_environment_of_up()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cimadmin.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


def use_environment_of_up() -> None:
    """Take what the last `up` on this data folder (CIM_DATA, else ./var) used, as far as the environment does not say otherwise."""
    data = os.environ.get("CIM_DATA") or Path(__file__).resolve().parent / "var"
    path = Path(data) / "environment"
    if path.exists() and "CIM_NATS_URL" not in os.environ:
        for assignment in shlex.split(path.read_text()):
            name, _, value = assignment.partition("=")
            os.environ.setdefault(name, value)


if __name__ == "__main__":
    main()
