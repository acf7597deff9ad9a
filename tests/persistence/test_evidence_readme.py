"""The README in evidence: whoever follows it, with public tools alone, comes to the same end."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from apps.persistence.transfer.evidence_texts import README, VERIFIER

from .made_evidence import MadeLog, new_witness

COMMANDS = [line.removeprefix("   $ ") for line in README.splitlines() if line.startswith("   $ ")]
WITNESS = new_witness()
LOG = MadeLog(witnesses=[WITNESS], seen_by=[WITNESS])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the reader has put the file and the verifier, and a python3 with the two packages that the README asks for."""
    (tmp_path / "FILE.car").write_bytes(LOG.evidence(slice(2, 9), since=11).data)
    shutil.copy(VERIFIER, tmp_path)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3").symlink_to(sys.executable)
    followed = run(
        tmp_path, command_with("python3 evidence_verifier.py").replace("'KEY'", f"'{LOG.vkey}' --vkey '{WITNESS.verifier.vkey}'")
    )
    assert followed.stdout.startswith("INTACT\n"), followed.stdout + followed.stderr
    return tmp_path


def run(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command as the reader's shell does."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(["sh", "-c", command], cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True)


def command_with(word: str) -> str:
    (found,) = [command for command in COMMANDS if word in command]
    return found


def needs(tool: str) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not on this machine; its step of the README was not tried.")


def test_every_command_of_the_readme_is_tried_here() -> None:
    tried = ("pip install blake3 cryptography", "evidence_verifier.py", "b3sum", "python3 -c", "openssl", "cat ")

    assert all(any(word in command for word in tried) for command in COMMANDS)
    assert len(COMMANDS) == len(tried)


def test_blocks_have_the_hashes_that_they_are_named_by(folder: Path) -> None:
    command = command_with("python3 -c")

    assert run(folder, command).stdout == "True\n"
    block = next((folder / "evidence" / "blocks").iterdir())
    block.write_bytes(block.read_bytes() + b"x")
    assert run(folder, command).stdout == "False\n"


def test_blocks_have_the_hashes_that_they_are_named_by_for_b3sum(folder: Path) -> None:
    needs("b3sum")
    command = command_with("b3sum")

    assert run(folder, command).returncode == 0
    block = next((folder / "evidence" / "blocks").iterdir())
    block.write_bytes(block.read_bytes() + b"x")
    assert run(folder, command).returncode == 1


def test_signatures_hold_for_openssl(folder: Path) -> None:
    needs("openssl")
    command = command_with("openssl")

    for name in ("log1", "log1-witness1"):
        assert run(folder, command.replace("log1", name)).stdout == "Signature Verified Successfully\n"
    text = folder / "evidence" / "signatures" / "log1.text"
    text.write_text(text.read_text().replace("24", "23"))
    assert run(folder, command).returncode == 1


def test_text_that_was_signed_says_origin_size_and_root(folder: Path) -> None:
    origin, size, _ = run(folder, command_with("cat ")).stdout.splitlines()

    assert (origin, size) == ("cim/CIM-EVENTS", "24")


def test_plain_files_come_out_as_they_were_put_in(folder: Path) -> None:
    files = folder / "evidence" / "files"

    assert (files / "evidence_verifier.py").read_bytes() == VERIFIER.read_bytes()
    assert (files / "README.txt").read_text() == README
