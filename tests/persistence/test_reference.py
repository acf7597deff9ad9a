"""The reference is written from the docstrings, so it is also the record of what is public: whatever changes there changes it."""

from __future__ import annotations

import subprocess
import sys

from .pages import ROOT


def test_reference_is_what_the_code_says() -> None:
    command = [sys.executable, str(ROOT / ".ci" / "reference.py"), "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 0, f"{done.stdout}{done.stderr}\nWrite it anew: .venv/bin/python .ci/reference.py"
