"""Evidence: what the verifier that stands alone accepts, and that it refuses whatever was changed."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from apps.persistence.encoding import Cid, Value, cid_of, decode, encode
from apps.persistence.errors import InvalidInput
from apps.persistence.log import KeyKind, SigningKey, Span, leaf_bytes, leaf_hash, node_hash
from apps.persistence.log.published import publish_keys
from apps.persistence.log.signer import open_signer_folder
from apps.persistence.operations import TakeEvidence
from apps.persistence.registry import Domain, Registry
from apps.persistence.store import Message, Store, read_batch, read_object
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.transfer import ensure_files, get_file
from apps.persistence.transfer.car import write_header, write_section
from apps.persistence.transfer.evidence import MAX_EVENTS, VERIFIER, Evidence, make_evidence, spans_without
from apps.persistence.transfer.evidence_verifier import NoKey, Wrong, read_car, root_of, verify
from apps.persistence.transfer.evidence_verifier import decode as decode_alone
from apps.persistence.work import parameters

from .operating import carry_out
from .raw_stream import three_chains
from .signing_stage import SigningStage, open_signing_stage

MUTATIONS = int(os.environ.get("CIM_MUTATIONS", "3000"))
REFUSALS = (Wrong, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError)


@pytest.fixture
async def stage(nats_server: EmbeddedServer, tmp_path: Path) -> AsyncIterator[SigningStage]:
    """A stream of twenty-four events in three chains, whose log is signed."""
    async with open_signing_stage(nats_server, tmp_path) as opened:
        await opened.write()
        with opened.signer() as signer:
            await opened.sign(signer)
        await _publish(opened)
        yield opened


async def _publish(stage: SigningStage) -> None:
    with open_signer_folder(stage.folder) as folder:
        await publish_keys(stage.connection, folder.database.vkeys())


async def messages_of(stage: SigningStage) -> list[Message]:
    return list((await read_batch(stage.raw.store.connection, stage.stream, limit=100)).messages)


async def evidence_of(stage: SigningStage, messages: list[Message]) -> Evidence:
    return await make_evidence(stage.raw.store.connection, stage.stream, messages, by="vera", reason="the audit")


def packed(manifest: dict[str, Value], blocks: dict[bytes, bytes]) -> bytes:
    """A file with another manifest around the same blocks, as a forger makes it."""
    root = encode(manifest)
    parts = [write_header([cid_of(root)]), write_section(cid_of(root), root)]
    return b"".join([*parts, *(write_section(Cid(bytes(cid)), data) for cid, data in blocks.items())])


def taken_apart(evidence: Evidence) -> tuple[dict[str, Value], dict[bytes, bytes]]:
    root, blocks = read_car(evidence.data)
    manifest = decode(blocks.pop(root))
    assert isinstance(manifest, dict)
    return manifest, blocks


# -- what holds -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("picked", [slice(0, 24), slice(0, 1), slice(23, 24), slice(3, 17), slice(0, 24, 5)])
async def test_evidence_of_any_events_holds_with_the_key_that_somebody_noted(stage: SigningStage, picked: slice) -> None:
    messages = (await messages_of(stage))[picked]
    random.Random(3).shuffle(messages)

    evidence = await evidence_of(stage, messages)

    manifest, _ = taken_apart(evidence)
    vkey = manifest["logs"][0]["vkeys"][0]  # type: ignore[index,call-overload]
    lines = verify(evidence.data, [str(vkey)])
    assert lines[0] == f"{evidence.origin}: {len(messages)} events under the checkpoint of 24 leaves"


async def test_verifier_runs_by_itself_and_says_so_in_words_and_status(stage: SigningStage, tmp_path: Path) -> None:
    evidence = await evidence_of(stage, await messages_of(stage))
    (tmp_path / "whole.car").write_bytes(evidence.data)
    (tmp_path / "changed.car").write_bytes(evidence.data[:-1] + bytes([evidence.data[-1] ^ 1]))
    alone = tmp_path / "verifier.py"
    alone.write_bytes(VERIFIER.read_bytes())

    def run(name: str) -> tuple[int, str]:
        done = subprocess.run([sys.executable, "-I", alone, tmp_path / name], cwd=tmp_path, capture_output=True, text=True)
        return done.returncode, done.stdout

    assert run("whole.car")[0] == 0
    assert "INTACT, by the keys in the file itself" in run("whole.car")[1]
    assert run("changed.car") == (1, run("changed.car")[1])
    assert run("changed.car")[1].startswith("NOT INTACT: a block of the file does not have the hash of its CID")
    assert run("nowhere.car")[0] == 2


async def test_file_holds_the_verifier_itself(stage: SigningStage) -> None:
    manifest, blocks = taken_apart(await evidence_of(stage, await messages_of(stage)))

    assert VERIFIER.read_bytes() in blocks.values()
    assert [one["name"] for one in manifest["files"]] == ["evidence_verifier.py", "README.txt"]  # type: ignore[union-attr,call-overload,index]


async def test_operation_writes_the_evidence_of_an_aggregate(stage: SigningStage) -> None:
    store = stage.raw.store
    await ensure_files(store.connection)
    registry = Registry([Domain(name="raw", title="Raw", layouts=[stage.raw.layout])])
    aggregate = str(three_chains()[0].aggregate)
    known: Store = replace(store, layouts=registry.layouts)

    outcome = await carry_out(known, registry, TakeEvidence(stream=stage.stream, aggregate=aggregate))

    file = await get_file(store.connection, str(outcome.figures["file"]))
    data = b"".join([chunk async for _, chunk in read_object(store.connection, file.stored)])
    assert f"  {aggregate}: all of versions 1 to 8" in verify(data)
    assert (file.kind, file.events) == ("evidence", 8)


# -- what does not ----------------------------------------------------------------------------------------------------------------------


async def test_no_single_changed_byte_passes(stage: SigningStage) -> None:
    data = (await evidence_of(stage, (await messages_of(stage))[2:9])).data
    chance = random.Random(11)
    passed = []

    for _ in range(MUTATIONS):
        place = chance.randrange(len(data))
        changed = data[:place] + bytes([data[place] ^ (1 << chance.randrange(8))]) + data[place + 1 :]
        try:
            verify(changed)
        except REFUSALS:
            continue
        passed.append(place)

    assert passed == []


@pytest.mark.parametrize("cut", [1, 10, 100, 5000])
async def test_file_that_is_cut_off_or_goes_on_is_refused(stage: SigningStage, cut: int) -> None:
    data = (await evidence_of(stage, await messages_of(stage))).data

    for changed in (data[:-cut], data + bytes(cut), data[cut:]):
        with pytest.raises(REFUSALS):
            verify(changed)


async def test_forger_who_packs_the_file_anew_cannot_change_leave_out_or_move_an_event(stage: SigningStage) -> None:
    manifest, blocks = taken_apart(await evidence_of(stage, (await messages_of(stage))[2:9]))
    log = manifest["logs"][0]  # type: ignore[index,call-overload]
    assert isinstance(log, dict)
    events = log["events"]
    assert isinstance(events, list)
    forged = {
        "left out": {**log, "events": events[1:]},
        "moved": {**log, "events": [[events[0][0] + 1, events[0][1]], *events[2:]]},  # type: ignore[index,call-overload,operator]
        "another hash": {**log, "hashes": [bytes(32), *log["hashes"][1:]]},  # type: ignore[index,call-overload,misc]
        "a hash too many": {**log, "hashes": [*log["hashes"], bytes(32)]},  # type: ignore[misc]
        "another size": {**log, "checkpoint": str(log["checkpoint"]).replace("\n24\n", "\n23\n")},
        "a strange key": {**log, "vkeys": [SigningKey.generate("other", KeyKind.LOG).verifier.vkey]},
    }

    for what, other in forged.items():
        with pytest.raises(REFUSALS):
            raise AssertionError(what, verify(packed({**manifest, "logs": [other]}, blocks)))


async def test_key_that_the_reader_noted_counts_and_not_that_in_the_file(stage: SigningStage) -> None:
    evidence = await evidence_of(stage, await messages_of(stage))
    other = SigningKey.generate(evidence.origin, KeyKind.LOG).verifier.vkey

    with pytest.raises(NoKey, match="none of the keys given is the one"):
        verify(evidence.data, [other])
    with pytest.raises(Wrong, match="is no vkey"):
        verify(evidence.data, ["x"])


async def test_key_that_the_signer_said_for_the_installation_is_that_of_each_log(stage: SigningStage) -> None:
    evidence = await evidence_of(stage, await messages_of(stage))
    with open_signer_folder(stage.folder) as folder:
        ((vkey, _),) = folder.database.vkeys()

    assert evidence.origin == f"{vkey.partition('+')[0]}/{stage.stream}"
    assert verify(evidence.data, [vkey])[0].startswith(evidence.origin)


async def test_block_that_belongs_to_nothing_is_refused(stage: SigningStage) -> None:
    manifest, blocks = taken_apart(await evidence_of(stage, await messages_of(stage)))
    stray = encode({"stray": True})

    with pytest.raises(Wrong, match="belong to nothing"):
        verify(packed(manifest, {**blocks, cid_of(stray).raw: stray}))


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
    with pytest.raises(InvalidInput, match="has no signed checkpoint"):
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


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"\xff",
        b"\x18\x17",
        b"\x5f\xff",
        b"\xa2\x61b\x01\x61a\x02",
        b"\xa2\x61a\x01\x61a\x02",
        b"\xc1\x00",
        b"\xd8\x2a\x41\x01",
        b"\x81",
        b"\x01\x02",
    ],
)
def test_verifier_reads_blocks_in_their_one_spelling_only(block: bytes) -> None:
    with pytest.raises(REFUSALS):
        decode_alone(block)


def test_verifier_and_library_read_the_same_values() -> None:
    value: Value = {"a": [1, -1, 255, 65536, 2**40, None, True, b"x", "ö"], "link": cid_of(b"x"), "map": {"b": {}, "aa": []}}

    found = decode_alone(encode(value))

    assert found == {**value, "link": cid_of(b"x").raw}  # type: ignore[dict-item]
