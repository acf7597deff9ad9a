"""`up` makes the keys of the log before anything starts, and tells everybody the same ones at the next start."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.persistence.log.signer import change_key
from apps.persistence.log.trust import Trust
from cimadmin.up_log import make_log_keys, witness_program


def test_same_keys_are_told_at_the_next_start(tmp_path: Path) -> None:
    first = make_log_keys(tmp_path, port=8400, is_witness_named=False)
    second = make_log_keys(tmp_path, port=8401, is_witness_named=False)

    assert first is not None
    assert second is not None
    assert first.environment["CIM_LOG_KEY"] == second.environment["CIM_LOG_KEY"]
    assert second.environment["CIM_WITNESS"] == first.environment["CIM_WITNESS"].replace("8400", "8401")
    assert Trust.parse(log_key=second.environment["CIM_LOG_KEY"], witness=second.environment["CIM_WITNESS"]).witness is not None


def test_newest_key_is_told_and_the_witness_takes_it_alone(tmp_path: Path) -> None:
    make_log_keys(tmp_path, port=8400, is_witness_named=False)
    _, new = change_key(tmp_path / "signer")

    keys = make_log_keys(tmp_path, port=8400, is_witness_named=False)

    assert keys is not None
    assert keys.environment["CIM_LOG_KEY"] == new.verifier.vkey
    program = witness_program(tmp_path, keys, {"PATH": "/bin", "CIM_NATS_PASSWORD": "secret"})
    assert [new.verifier.vkey] == [word for word in program.command if word.startswith("cim-")]
    assert program.environment == {"PATH": "/bin"}


def test_no_witness_is_made_where_another_is_named(tmp_path: Path) -> None:
    keys = make_log_keys(tmp_path, port=8400, is_witness_named=True)

    assert keys is not None
    assert "CIM_WITNESS" not in keys.environment
    assert not (tmp_path / "witness").exists()


def test_folder_that_cannot_be_used_is_told_and_the_rest_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_log_keys(tmp_path, port=8400, is_witness_named=False)
    (tmp_path / "signer" / "log.key").chmod(0o644)

    assert make_log_keys(tmp_path, port=8400, is_witness_named=False) is None
    assert "Nobody is told the key of the log: Others can read the key file" in capsys.readouterr().out
