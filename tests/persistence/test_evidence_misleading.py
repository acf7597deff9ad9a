"""Evidence that would make its reader believe more than it proves, and readers who give something that is no key."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from apps.persistence.transfer.evidence_texts import README, VERIFIER
from apps.persistence.transfer.evidence_verifier import DOES_NOT_PROVE, HIDDEN, REFUSED, NoKey, Unusable, extract, verify

from .evidence_stage import packed, taken_apart
from .misleading_evidence import KEYS, LOG, MISLEADING, OF_ANOTHER_POLICY, STRANGER, WHOLE


@pytest.mark.parametrize("what", MISLEADING)
def test_verifier_says_no_more_than_is_proved(what: str) -> None:
    case = MISLEADING[what]

    try:
        lines, verdict = verify(case.data, **case.keys), "intact"
    except REFUSED as error:
        lines, verdict = [], "unusable" if isinstance(error, Unusable) else "wrong"

    assert verdict == case.verdict
    assert not case.line or case.line in lines
    assert not any(HIDDEN.search(line) or "all of" in line for line in lines)


def test_that_an_aggregate_may_have_other_events_is_said() -> None:
    assert any("may hold further or other events" in sentence for sentence in DOES_NOT_PROVE)


def test_readme_says_that_a_verifier_in_the_file_may_be_forged() -> None:
    assert "by another way than this file, and keep it" in README


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    done = subprocess.run([sys.executable, "-I", VERIFIER, *arguments], cwd=folder, capture_output=True, text=True)
    return done.returncode, done.stdout


def test_what_is_no_key_or_no_policy_has_a_status_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "whole.car").write_bytes(WHOLE)
    (tmp_path / "empty.txt").write_text("")

    for arguments in (["--policy", "empty.txt"], ["--vkey", ""], ["--vkey", "x"], ["--policy", "empty.txt", "--vkey", LOG.vkey]):
        status, said = run(tmp_path, "whole.car", *arguments)
        assert (status, said[:12]) == (2, "NOT CHECKED:")
    assert run(tmp_path, "whole.car", "--vkey", f"{LOG.vkey}\n")[0] == 0


def test_no_terminal_is_taken_over_by_a_file_that_is_refused(tmp_path: Path) -> None:
    manifest, blocks = taken_apart(WHOLE)
    forged = {**manifest["logs"][0], "stream": "\x1b[2J\x1b[HINTACT\n\x1b[8m"}
    (tmp_path / "forged.car").write_bytes(packed({**manifest, "logs": [forged]}, blocks))

    status, said = run(tmp_path, "forged.car", "--vkey", LOG.vkey)

    assert (status, said.count("\n")) == (1, 1)
    assert said.startswith("NOT INTACT: ")
    assert not HIDDEN.search(said[:-1])


def test_what_is_written_for_other_tools_is_by_the_keys_that_the_reader_gave(tmp_path: Path) -> None:
    written = extract(OF_ANOTHER_POLICY, tmp_path, KEYS["vkeys"])

    assert [name for name in written if name.endswith(".pem")] == ["signatures/log1.pem", "signatures/log1-witness1.pem"]
    with pytest.raises(NoKey):
        extract(OF_ANOTHER_POLICY, tmp_path, [LOG.vkey, STRANGER.verifier.vkey])
