"""Damage at rest: whatever a stopped server's files lose or change, the server may hide it, and a verification with the log finds it.

`CIM_DAMAGE_ROUNDS` is how many places are damaged; a few in CI, 200 at a release.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from apps.persistence.chain import Cause, Verdict, verify_stream
from apps.persistence.encoding import Cid, cid_of
from apps.persistence.log.feeding import LogFeeder
from apps.persistence.log.kept import ensure_log
from apps.persistence.log.trust import NO_TRUST
from apps.persistence.store import Layout, Store, ensure_event_stream, ensure_home, get_stream, open_store, read_batch
from apps.persistence.store.embedded import EmbeddedServer

from .conftest import fresh_layout
from .damaging import Damage, Kind, Part, damage_stream, stream_files
from .engine_stage import append_events

ROUNDS = int(os.environ.get("CIM_DAMAGE_ROUNDS", "8"))
ORDERS, EVENTS_EACH, TURNS = 3, 7, 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A server's folder while nothing is wrong, and every event by its sequence."""

    folder: Path
    layout: Layout
    events: dict[int, Cid]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """Three orders whose events lie between each other's, all logged; the server has ended."""
    folder, layout = tmp_path_factory.mktemp("kept") / "nats", fresh_layout()

    async def write() -> dict[int, Cid]:
        async with open_store(server.settings(), layout=layout, layouts=[layout]) as store:
            await ensure_home(store.connection)
            await ensure_log(store.connection)
            await ensure_event_stream(store.connection, layout)
            for _ in range(TURNS):
                for order in range(ORDERS):
                    await append_events(store, EVENTS_EACH, aggregate=f"o{order}")
            await LogFeeder(store.connection, layout.stream).feed()
            return await served_by(store)

    with EmbeddedServer(folder) as server:
        events = asyncio.run(write())
    return Kept(folder=folder, layout=layout, events=events)


async def served_by(store: Store) -> dict[int, Cid]:
    """What the server gives out, whatever it counts."""
    found: dict[int, Cid] = {}
    place = 1
    while True:
        batch = await read_batch(store.connection, store.layout.stream, from_sequence=place, limit=1000)
        found |= {message.sequence: cid_of(message.data) for message in batch.messages}
        if not batch.messages:
            return found
        place = batch.messages[-1].sequence + 1


def copy_of(kept: Kept, folder: Path) -> EmbeddedServer:
    shutil.copytree(kept.folder / "jetstream", folder / "nats" / "jetstream")
    shutil.copy(kept.folder / "passwords.json", folder / "nats" / "passwords.json")
    return EmbeddedServer(folder / "nats")


async def look(server: EmbeddedServer, kept: Kept) -> tuple[dict[int, Cid], int, Verdict]:
    """What is served, what the server counts, and the verdict."""
    with server:
        async with open_store(server.settings(), layout=kept.layout, layouts=[kept.layout]) as store:
            info = await get_stream(store.connection, kept.layout.stream)
            return await served_by(store), info.messages, await verify_stream(store, trust=NO_TRUST)


async def test_copy_that_nobody_damaged_is_intact(kept: Kept, tmp_path: Path) -> None:
    served, _, verdict = await look(copy_of(kept, tmp_path), kept)

    assert served == kept.events
    assert verdict.intact


@pytest.mark.parametrize("number", range(ROUNDS))
async def test_every_loss_and_every_change_is_found_at_its_first_sequence(kept: Kept, tmp_path: Path, number: int) -> None:
    server, chance = copy_of(kept, tmp_path), Random(number)
    kind, part = list(Kind)[number % 3], (Part.BLOCK, Part.BLOCK, Part.INDEX)[number // 3 % 3]
    damages = [damage_stream(server.data_dir, kept.layout.stream, chance, kind=kind, part=part)]
    if number % 4 == 1 and part is Part.BLOCK:
        damages.append(damage_stream(server.data_dir, kept.layout.stream, chance, kind=Kind.DELETE, part=Part.INDEX))

    served, counted, verdict = await look(server, kept)

    check(kept, damages, served, counted, verdict)


async def test_event_that_is_another_one_is_told_from_one_that_is_gone(kept: Kept, tmp_path: Path) -> None:
    """Somebody with a shell has put the files of another server there, where event 17 is another one and its checksum is right."""
    server, other = copy_of(kept, tmp_path), EmbeddedServer(tmp_path / "other")
    await forge(kept, copy_of(kept, tmp_path / "read"), other)
    theirs, ours = (stream_files(one.data_dir, kept.layout.stream, Part.BLOCK)[0].parent for one in (other, server))
    shutil.rmtree(ours)
    shutil.copytree(theirs, ours)

    served, _, verdict = await look(server, kept)

    assert len(served) == len(kept.events)
    assert verdict.first_bad_sequence == 17
    assert Cause.UNDECODABLE in verdict.by_cause
    assert Cause.HISTORY_REWRITTEN in verdict.by_cause or "17" in str(verdict.findings)


async def forge(kept: Kept, source: EmbeddedServer, target: EmbeddedServer) -> None:
    with source, target:
        async with (
            open_store(source.settings(), layout=kept.layout) as here,
            open_store(target.settings(), layout=kept.layout) as there,
        ):
            await ensure_event_stream(there.connection, kept.layout)
            for message in (await read_batch(here.connection, kept.layout.stream, limit=1000)).messages:
                await there.connection.request(message.subject, b"forged" if message.sequence == 17 else message.data)


def check(kept: Kept, damages: list[Damage], served: dict[int, Cid], counted: int, verdict: Verdict) -> None:
    """The verdict is intact exactly where nothing is lost or changed, and else begins where that begins."""
    lost = kept.events.keys() - served.keys()
    changed = {sequence for sequence, cid in served.items() if kept.events.get(sequence) != cid}
    told = (
        f"{' and '.join(map(str, damages))}: {len(lost)} lost and {len(changed)} changed of which the server counts {counted}; "
        f"{[one.explanation for one in verdict.findings[:3]]}"
    )
    assert verdict.intact == (not lost and not changed), told
    if lost or changed:
        assert verdict.first_bad_sequence == min(lost | changed), told
    if changed:
        assert verdict.by_cause.keys() & {Cause.CONTENT_CHANGED, Cause.UNDECODABLE}, told
    elif lost:
        assert verdict.by_cause.keys() <= {Cause.MISSING, Cause.TAIL_CUT, Cause.LINK_BROKEN}, told
