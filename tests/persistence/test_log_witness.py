"""A witness cosigns only what extends what it has seen, says which size that was, and its signature is joined to the checkpoint."""

from __future__ import annotations

import http.client
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import HTTPServer
from pathlib import Path

import pytest

from apps.persistence.errors import Conflict, InvalidInput
from apps.persistence.log import SigningKey, leaf_bytes
from apps.persistence.log.checkpoints import Checkpoint, open_checkpoint, sign_checkpoint
from apps.persistence.log.hashes import EMPTY_ROOT
from apps.persistence.log.keys import KeyKind, read_key_file
from apps.persistence.log.witness import open_witness, serving
from apps.persistence.log.witnessing import Answer, Request, Witness

from .growing_log import naive_consistency, naive_root

ORIGIN = "cim-7f3c/CIM-EVENTS"
LOG = SigningKey(name="cim-7f3c", kind=KeyKind.LOG, seed=bytes(range(32)))
OTHER = SigningKey(name="cim-7f3c", kind=KeyKind.LOG, seed=bytes(range(1, 33)))
LEAVES = [leaf_bytes(number, None) for number in range(1, 40)]


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Witness]:
    with open_witness(tmp_path / "witness", "witness.example", [LOG.verifier]) as opened:
        yield opened


def note_of(size: int, *, root: bytes | None = None, key: SigningKey = LOG, origin: str = ORIGIN) -> bytes:
    checkpoint = Checkpoint(origin=origin, size=size, root=root or naive_root(LEAVES[:size]))
    return sign_checkpoint(checkpoint, key.named(origin)).raw


def ask(witness: Witness, size: int, *, old: int = 0, proof: list[bytes] | None = None, note: bytes | None = None) -> Answer:
    made = naive_consistency(old, LEAVES[:size]) if proof is None and 0 < old < size else proof or []
    return witness.add_checkpoint(Request(old_size=old, proof=tuple(made), note=note or note_of(size)).raw)


# -- what it answers ------------------------------------------------------------------------------------------------------------------


def test_first_checkpoint_of_a_log_is_cosigned(witness: Witness) -> None:
    answer = ask(witness, 7)

    found = open_checkpoint(note_of(7) + answer.body.encode(), [LOG.verifier.named(ORIGIN), witness.key.verifier])
    assert answer.status == 200
    assert [one.key.name for one in found.witnesses] == ["witness.example"]
    assert found.witnesses[0].time is not None
    assert abs((found.witnesses[0].time - datetime.now(UTC)).total_seconds()) < 60


def test_log_that_grew_is_cosigned_again(witness: Witness) -> None:
    ask(witness, 7)

    assert ask(witness, 39, old=7).status == 200
    assert ask(witness, 39, old=39).status == 200


def test_witness_that_starts_again_remembers_what_it_has_seen(tmp_path: Path) -> None:
    with open_witness(tmp_path, "w", [LOG.verifier]) as first:
        ask(first, 7)

    with open_witness(tmp_path, "w", [LOG.verifier]) as again:
        assert (ask(again, 9).status, ask(again, 9).body) == (409, "7\n")


def test_wrong_old_size_is_answered_with_the_one_that_was_seen(witness: Witness) -> None:
    ask(witness, 7)

    answer = ask(witness, 9, old=3)

    assert (answer.status, answer.body, answer.kind) == (409, "7\n", "text/x.tlog.size")


def test_log_that_became_shorter_is_not_cosigned(witness: Witness) -> None:
    ask(witness, 9)

    assert ask(witness, 7, old=7).status == 409
    assert ask(witness, 7, old=9).status == 400


def test_other_root_of_the_same_size_is_not_cosigned(witness: Witness) -> None:
    ask(witness, 7)

    assert ask(witness, 7, old=7, note=note_of(7, root=b"f" * 32)).status == 409


def test_log_that_does_not_extend_what_was_seen_is_not_cosigned_and_not_remembered(witness: Witness) -> None:
    ask(witness, 7)

    forged = ask(witness, 9, old=7, note=note_of(9, root=b"f" * 32))

    assert forged.status == 422
    assert ask(witness, 9, old=7).status == 200


@pytest.mark.parametrize(("old", "proof"), [(7, []), (7, [b"f" * 32] * 3), (0, [b"f" * 32])])
def test_proof_that_does_not_hold_is_refused(witness: Witness, old: int, proof: list[bytes]) -> None:
    if old:
        ask(witness, old)

    assert ask(witness, 9, old=old, proof=proof).status == 422


def test_checkpoint_by_another_key_is_refused(witness: Witness) -> None:
    assert ask(witness, 7, note=note_of(7, key=OTHER)).status == 403


@pytest.mark.parametrize("origin", ["cim-0000/CIM-EVENTS", "cim-7f3c", "cim-7f3cc/CIM-EVENTS"])
def test_log_that_it_does_not_know_is_refused(witness: Witness, origin: str) -> None:
    answer = ask(witness, 7, note=note_of(7, key=LOG, origin=origin))

    assert answer.status == 404
    assert origin in answer.body


def test_empty_log_is_cosigned_and_extended_by_any(witness: Witness) -> None:
    assert ask(witness, 0, note=note_of(0, root=EMPTY_ROOT)).status == 200
    assert ask(witness, 7).status == 200


GOOD = Request(old_size=0, proof=(), note=note_of(7)).raw


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"old 0",
        GOOD.replace(b"old 0", b"old 00"),
        GOOD.replace(b"old 0", b"old -1"),
        GOOD.replace(b"old 0", b"new 0"),
        GOOD.replace(b"old 0", b"old 99999999999999999999"),
        GOOD.replace(b"old 0", b"old 8"),
        GOOD.replace(b"old 0\n", b"old 0\nAAAA\n"),
        GOOD.replace(b"old 0\n", b"old 0\n!!!\n"),
        GOOD.replace(b"old 0\n", b"old 0\n" + (b"A" * 43 + b"=\n") * 64),
        GOOD.replace(b"\n", b"\r\n"),
        GOOD[:-5],
        b"\xff" + GOOD,
    ],
)
def test_request_in_another_spelling_is_refused(witness: Witness, body: bytes) -> None:
    assert witness.add_checkpoint(body).status == 400


# -- its process ------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def server(witness: Witness, tmp_path: Path) -> Iterator[HTTPServer]:
    """The witness behind its port, in a thread; its database is opened there."""
    started, ends = threading.Event(), []

    def serve() -> None:
        with open_witness(tmp_path / "served", "witness.example", [LOG.verifier]) as own, serving(own, "127.0.0.1", 0) as running:
            ends.append(running)
            started.set()
            running.serve_forever(poll_interval=0.02)

    thread = threading.Thread(target=serve)
    thread.start()
    assert started.wait(30)
    yield ends[0]
    ends[0].shutdown()
    thread.join(30)


def post(server: HTTPServer, path: str, body: bytes, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    connection.request("POST", path, body, headers)
    answer = connection.getresponse()
    found = (answer.status, answer.read())
    connection.close()
    return found


def test_witness_answers_over_http(server: HTTPServer) -> None:
    status, body = post(server, "/add-checkpoint", GOOD)

    assert status == 200
    assert body.startswith("— witness.example ".encode())
    assert post(server, "/add-checkpoint", Request(old_size=3, proof=(), note=note_of(9)).raw) == (409, b"7\n")


def newest(server: HTTPServer, query: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    connection.request("GET", f"/newest{query}")
    answer = connection.getresponse()
    found = (answer.status, answer.read())
    connection.close()
    return found


def test_newest_checkpoint_is_given_with_both_signatures(server: HTTPServer, tmp_path: Path) -> None:
    unseen = newest(server, f"?origin={ORIGIN}")
    post(server, "/add-checkpoint", GOOD)

    status, body = newest(server, f"?origin={ORIGIN.replace('/', '%2F')}")

    witness = read_key_file(tmp_path / "served" / "witness.key").verifier
    found = open_checkpoint(body, [LOG.verifier.named(ORIGIN), witness], origin=ORIGIN)
    assert (unseen[0], status) == (404, 200)
    assert (found.checkpoint.size, len(found.witnesses), found.unknown) == (7, 1, 0)


@pytest.mark.parametrize("query", ["", "?origin=", "?origin=nobody", f"?origin={ORIGIN}&origin={ORIGIN}", "?other=1"])
def test_newest_of_no_log_is_not_there(server: HTTPServer, query: str) -> None:
    post(server, "/add-checkpoint", GOOD)

    assert newest(server, query)[0] == 404


def test_other_paths_and_endless_bodies_are_refused(server: HTTPServer) -> None:
    assert post(server, "/", GOOD)[0] == 404
    assert post(server, "/add-checkpoint", b"", **{"Content-Length": "1000000"})[0] == 413


def test_process_says_its_key_and_address_and_ends_when_told(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "apps.persistence.log.witness",
        "--folder",
        str(tmp_path / "w"),
        "--name",
        "w",
        "--log",
        LOG.verifier.vkey,
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    vkey, address = process.stdout.readline(), process.stdout.readline()
    process.terminate()

    assert vkey.startswith("w+")
    assert address.startswith("http://127.0.0.1:")
    assert process.wait(30) == 0


def test_second_witness_on_one_folder_is_refused(witness: Witness, tmp_path: Path) -> None:
    with pytest.raises(Conflict, match="two never sign at once"), open_witness(tmp_path / "witness", "witness.example", [LOG.verifier]):
        pass


def test_key_of_another_name_or_kind_is_refused(tmp_path: Path) -> None:
    with open_witness(tmp_path, "one", [LOG.verifier]) as opened:
        key = opened.key.verifier

    with pytest.raises(InvalidInput, match="no witness's key of the name two"), open_witness(tmp_path, "two", [LOG.verifier]):
        pass
    with pytest.raises(InvalidInput, match="no key of a log"), open_witness(tmp_path, "one", [key]):
        pass
