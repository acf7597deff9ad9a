"""This module is the test of manage.py started by a Python without Django, as the pages' commands start it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

MANAGE = Path(__file__).resolve().parents[2] / "manage.py"


def manage(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a copy of manage.py in the folder by a Python that sees no installed package."""
    shutil.copy(MANAGE, folder)
    return subprocess.run([sys.executable, "-S", str(folder / "manage.py"), *words], capture_output=True, text=True, timeout=120)


def test_a_python_without_django_goes_on_in_the_environment_that_up_made(tmp_path: Path) -> None:
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$@"\n')
    python.chmod(0o755)

    done = manage(tmp_path, "start", "verify", "--reason", "a b")

    assert done.stdout == f"{tmp_path / 'manage.py'} start verify --reason a b\n", done.stderr


def test_without_any_environment_it_says_how_to_make_one(tmp_path: Path) -> None:
    done = manage(tmp_path, "sign_in_link")

    assert done.returncode == 1
    assert "python3 run.py up" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_data_folder_that_up_never_used_is_said_to_be_so_without_a_traceback(tmp_path: Path) -> None:
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("CIM_", "DJANGO_"))}

    done = subprocess.run(
        [sys.executable, str(MANAGE), "check"],
        env={**bare, "CIM_DATA": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == 1
    assert "CIM_DATA=DIR" in done.stderr
    assert "Traceback" not in done.stderr
