"""The page that verifies evidence from disk is written from the modules in static/js/proof, and is what they say."""

from __future__ import annotations

import re
import subprocess
import sys

from apps.persistence.transfer import evidence_verifier
from apps.persistence.transfer.evidence_texts import PAGE

from .pages import ROOT


def test_page_is_what_the_modules_say() -> None:
    command = [sys.executable, str(ROOT / ".ci" / "html_verifier.py"), "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 0, f"{done.stdout}{done.stderr}\nWrite it anew: .venv/bin/python .ci/html_verifier.py"


def test_page_asks_for_nothing_outside_itself() -> None:
    page = PAGE.read_text()

    assert "default-src 'none'" in page
    assert not re.search(r"""(src|href)=["']|@import|\burl\(|\bfetch\(|XMLHttpRequest|WebSocket|^import """, page, re.MULTILINE)


def test_both_verifiers_say_the_same_of_what_is_proved_and_what_is_not() -> None:
    page = PAGE.read_text()

    assert all(f'"{sentence}"' in page for sentence in (*evidence_verifier.PROVES, *evidence_verifier.DOES_NOT_PROVE))
    assert f'FORMAT = "{evidence_verifier.FORMAT}"' in page
