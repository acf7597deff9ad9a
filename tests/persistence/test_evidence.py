"""Evidence: what it holds, and what the verifier that stands alone says of it."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from apps.persistence.encoding import Value, cid_of, encode
from apps.persistence.errors import InvalidInput
from apps.persistence.log import Checkpoint, KeyKind, SigningKey, Span, leaf_bytes, leaf_hash, node_hash
from apps.persistence.log.published import read_published
from apps.persistence.log.trust import Trust
from apps.persistence.operations import TakeEvidence
from apps.persistence.registry import Domain, Registry
from apps.persistence.store import Store, read_object
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.transfer import ensure_files, get_file
from apps.persistence.transfer.evidence import MAX_EVENTS, Chosen, make_evidence, spans_without
from apps.persistence.transfer.evidence_texts import VERIFIER, VERIFIERS
from apps.persistence.transfer.evidence_verifier import decode as decode_alone
from apps.persistence.transfer.evidence_verifier import root_of, verify
from apps.persistence.work import parameters

from .evidence_stage import (
    evidence_of,
    have_seen,
    messages_of,
    open_evidence_stage,
    publish,
    sign_anew,
    taken_apart,
    vkey_of,
)
from .made_evidence import new_witness
from .operating import carry_out
from .raw_stream import open_raw_stream, three_chains
from .signing_stage import SigningStage


@pytest.fixture
async def stage(nats_server: EmbeddedServer, tmp_path: Path) -> AsyncIterator[SigningStage]:
    async with open_evidence_stage(nats_server, tmp_path) as opened:
        yield opened


@pytest.mark.parametrize("picked", [slice(0, 24), slice(0, 1), slice(23, 24), slice(3, 17), slice(0, 24, 5)])
async def test_evidence_of_any_events_holds_with_the_key_that_somebody_noted(stage: SigningStage, picked: slice) -> None:
    messages = (await messages_of(stage))[picked]
    sequences = [message.sequence for message in messages]
    random.Random(3).shuffle(messages)

    evidence = await evidence_of(stage, messages)

    lines = verify(evidence.data, [vkey_of(stage)])
    left_out = sequences[-1] - sequences[0] + 1 - len(sequences)
    assert lines[:2] == [
        f"{evidence.origin}: {len(messages)} events under the checkpoint of 24 leaves",
        f"  sequences {sequences[0]} to {sequences[-1]}, {left_out or 'none'} left out",
    ]


async def test_verifier_runs_by_itself_and_says_so_in_words_and_status(stage: SigningStage, tmp_path: Path) -> None:
    evidence = await evidence_of(stage, await messages_of(stage))
    (tmp_path / "whole.car").write_bytes(evidence.data)
    (tmp_path / "changed.car").write_bytes(evidence.data[:-1] + bytes([evidence.data[-1] ^ 1]))
    alone = tmp_path / "verifier.py"
    alone.write_bytes(VERIFIER.read_bytes())

    def run(*arguments: str) -> tuple[int, str]:
        done = subprocess.run([sys.executable, "-I", alone, *arguments], cwd=tmp_path, capture_output=True, text=True)
        return done.returncode, done.stdout

    assert run("whole.car")[0] == 0
    assert "INTACT, by the keys in the file itself" in run("whole.car")[1]
    assert run("changed.car") == (1, run("changed.car")[1])
    assert run("changed.car")[1].startswith("NOT INTACT: a block of the file does not have the hash of its CID")
    assert run("nowhere.car") == (2, "nowhere.car cannot be read or written: No such file or directory.\n")
    assert run("whole.car", "--extract", "changed.car")[0] == 2


async def test_file_holds_its_verifiers_checkpoint_policy_and_proofs_by_name(stage: SigningStage) -> None:
    manifest, blocks = taken_apart((await evidence_of(stage, (await messages_of(stage))[2:9])).data)

    named = {one["name"]: blocks[one["cid"].raw] for one in manifest["files"]}
    stream = stage.stream
    ours = [f"{stream}.checkpoint", f"{stream}.policy", f"{stream}.3.tlog-proof", f"{stream}.9.tlog-proof"]
    assert sorted(named) == sorted([*ours, *(path.name for path in VERIFIERS), "README.txt"])
    assert all(named[path.name] == path.read_bytes() for path in VERIFIERS)
    assert named[f"{stream}.3.tlog-proof"].startswith(b"c2sp.org/tlog-proof@v1\nindex 2\n")
    assert named[f"{stream}.3.tlog-proof"].endswith(named[f"{stream}.checkpoint"])
    assert named[f"{stream}.policy"].endswith(b"\nquorum none\n")


# -- witnesses, older checkpoints, more than one log ------------------------------------------------------------------------------------


async def test_witnesses_that_have_seen_the_checkpoint_are_named_with_their_time(stage: SigningStage) -> None:
    seen, absent = new_witness("one.example"), new_witness("two.example")
    await publish(stage, [seen, absent])
    await have_seen(stage, seen)

    evidence = await evidence_of(stage, await messages_of(stage))

    manifest, blocks = taken_apart(evidence.data)
    policy = blocks[manifest["logs"][0]["policy"].raw].decode()
    assert policy.endswith("\ngroup seen all w1\nquorum seen\n")
    for keys in ([vkey_of(stage), seen.verifier.vkey], []):
        assert "  seen by one.example at 2026-11-21T10:40:31+00:00" in verify(evidence.data, keys)


async def test_log_goes_on_from_the_checkpoint_that_somebody_kept(stage: SigningStage) -> None:
    kept = await read_published(stage.connection, stage.stream)
    assert kept is not None
    await stage.write_many(6)
    await stage.log()
    await sign_anew(stage)
    messages = (await messages_of(stage))[2:9]

    for since in (kept.note.decode(), kept.note.decode().replace("\n", "\r\n"), "24"):
        lines = verify((await evidence_of(stage, messages, since=since)).data, [vkey_of(stage)])
        assert any(line.startswith("  begins with the 24 leaves") and line.endswith("that checkpoint is signed") for line in lines)
    unsigned = verify((await evidence_of(stage, messages, since="17")).data, [vkey_of(stage)])
    assert any("that checkpoint is not signed: compare it with what you noted" in line for line in unsigned)
    newest = await evidence_of(stage, messages, since="30")
    assert any(line.startswith("  begins with the 30 leaves") for line in verify(newest.data, [vkey_of(stage)]))


@pytest.mark.parametrize(
    ("since", "reason"),
    [
        ("0", "0 is no size of an older checkpoint"),
        ("25", "1 to 24 are possible"),
        ("9" * 400, "is no size of an older checkpoint"),
        ("x", "This is no signed note"),
    ],
)
async def test_older_checkpoint_that_is_none_is_refused(stage: SigningStage, since: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        await evidence_of(stage, await messages_of(stage), since=since)


async def test_checkpoint_of_another_history_is_refused(stage: SigningStage) -> None:
    kept = await read_published(stage.connection, stage.stream)
    assert kept is not None
    forged = Checkpoint(origin="x", size=24, root=bytes(32)).text.replace("x", "cim", 1)

    with pytest.raises(InvalidInput, match="is of the log 'cim'"):
        await evidence_of(stage, await messages_of(stage), since=forged + "\n" + kept.note.decode().partition("\n\n")[2])


async def test_file_holds_several_logs_each_under_its_own_checkpoint(nats_server: EmbeddedServer, stage: SigningStage) -> None:
    async with open_raw_stream(nats_server) as raw:
        other = replace(stage, raw=raw)
        await other.write()
        await sign_anew(other)
        chosen = [
            Chosen(stream=stage.stream, messages=(await messages_of(stage))[:3]),
            Chosen(stream=other.stream, messages=(await messages_of(other))[3:9]),
        ]

        evidence = await make_evidence(stage.connection, chosen, by="vera", reason="r", without=["something: nobody signs it"])

        lines = verify(evidence.data, [vkey_of(stage)])
        assert [line.partition("/")[2] for line in lines if line.endswith("leaves")] == [
            f"{stage.stream}: 3 events under the checkpoint of 24 leaves",
            f"{other.stream}: 6 events under the checkpoint of 24 leaves",
        ]
        assert lines[-1] == "Not in the file (not signed): something: nobody signs it"


# -- the operation ----------------------------------------------------------------------------------------------------------------------


async def known_store(stage: SigningStage) -> tuple[Store, Registry]:
    registry = Registry([Domain(name="raw", title="Raw", layouts=[stage.raw.layout])])
    await ensure_files(stage.raw.store.connection)
    return replace(stage.raw.store, layouts=registry.layouts), registry


async def written(store: Store, name: object) -> bytes:
    file = await get_file(store.connection, str(name))
    assert file.kind == "evidence"
    return b"".join([chunk async for _, chunk in read_object(store.connection, file.stored)])


async def test_operation_writes_the_evidence_of_an_aggregate(stage: SigningStage) -> None:
    store, registry = await known_store(stage)
    aggregate = str(three_chains()[0].aggregate)

    outcome = await carry_out(store, registry, TakeEvidence(stream=stage.stream, aggregate=aggregate, trail=False))

    assert f"  {aggregate}: versions 1 to 8, without a gap" in verify(await written(store, outcome.figures["file"]))
    assert outcome.figures["events"] == 8
    assert outcome.sentence.endswith("The verifier finds it intact.")


async def test_operation_writes_the_evidence_of_a_query(stage: SigningStage) -> None:
    store, registry = await known_store(stage)
    operation = TakeEvidence(
        stream=stage.stream,
        subject=f"{stage.raw.layout.root}.sales.>",
        event_type="item_added",
        first=parameters.Place("4"),
        last=parameters.Place("12"),
        since="10",
        trail=False,
    )

    outcome = await carry_out(store, registry, operation)

    lines = verify(await written(store, outcome.figures["file"]), [vkey_of(stage)])
    assert lines[0].endswith(": 6 events under the checkpoint of 24 leaves")
    assert "  sales.order.o1: versions 2 to 4, without a gap" in lines


async def test_operation_refuses_a_log_that_is_not_the_one_that_its_worker_was_told(stage: SigningStage) -> None:
    store, registry = await known_store(stage)
    registry.trust = Trust(log_key=SigningKey.generate("cim", KeyKind.LOG).verifier)

    with pytest.raises(InvalidInput, match="another log was put in the place of this one"):
        await carry_out(store, registry, TakeEvidence(stream=stage.stream, trail=False))


async def test_operation_refuses_where_no_event_is_of_the_type(stage: SigningStage) -> None:
    store, registry = await known_store(stage)

    with pytest.raises(InvalidInput, match="never_happened was found; there is nothing to prove"):
        await carry_out(store, registry, TakeEvidence(stream=stage.stream, event_type="never_happened", trail=False))


async def test_evidence_that_cannot_be_made_is_refused_with_the_reason(stage: SigningStage) -> None:
    await stage.write_one()
    messages = await messages_of(stage)

    with pytest.raises(InvalidInput, match="signed up to sequence 24, and the last event lies at 25"):
        await evidence_of(stage, messages)
    with pytest.raises(InvalidInput, match="Evidence of 0 events is not made"):
        await evidence_of(stage, [])
    with pytest.raises(InvalidInput, match=f"1 to {MAX_EVENTS:,} are possible"):
        await evidence_of(stage, messages * 1000)


async def test_stream_without_a_signed_log_has_no_evidence(store: Store) -> None:
    with pytest.raises(InvalidInput, match="is published, so nothing proves"):
        await TakeEvidence(stream=store.layout.stream, last=parameters.Place("1")).plan(store, Registry())


# -- the tree ---------------------------------------------------------------------------------------------------------------------------


def naive_root(hashes: list[bytes]) -> bytes:
    if len(hashes) == 1:
        return hashes[0]
    middle = 1 << ((len(hashes) - 1).bit_length() - 1)
    return node_hash(naive_root(hashes[:middle]), naive_root(hashes[middle:]))


def test_root_is_made_anew_from_any_leaves_and_the_parts_without_them() -> None:
    chance = random.Random(5)
    for _ in range(200):
        size = chance.randrange(1, 70)
        leaves = [leaf_bytes(number + 1, cid_of(bytes([number]))) for number in range(size)]
        hashes = [leaf_hash(leaf) for leaf in leaves]
        known = sorted(chance.sample(range(size), chance.randrange(1, size + 1)))
        spans: list[Span] = spans_without(known, size)

        parts = [naive_root(hashes[span.start : span.end]) for span in spans]

        assert root_of(size, {index: leaves[index] for index in known}, parts) == naive_root(hashes)


def test_verifier_and_library_read_the_same_values() -> None:
    value: Value = {"a": [1, -1, 255, 65536, 2**40, None, True, b"x", "ö", 0.5], "link": cid_of(b"x"), "map": {"b": {}, "aa": []}}

    found = decode_alone(encode(value))

    assert found == {**value, "link": cid_of(b"x").raw}  # type: ignore[dict-item]
