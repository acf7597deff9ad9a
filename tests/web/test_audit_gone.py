"""This module is the tests of what a stream no longer holds: where it lay, and whether a recorded run removed it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from apps.audit import gone
from apps.audit.gone import Absent, read_absent
from apps.audit.strip import Gone
from apps.persistence.chain.gaps import Range
from apps.persistence.chain.removal_runs import SAW_COUNT, SAW_SPAN, span_words
from apps.persistence.chain.removals import Removal, stream_key, write_removal
from apps.persistence.encoding import Value
from apps.persistence.events import Head, NewEvent, new_id
from apps.persistence.store import CONSOLE, Outgoing, Store, append, ensure_home, ensure_stream, get_stream, store_message
from apps.persistence.work.run import run_ref

from .conftest import Home

REASON = "kept long enough"


async def holed(store: Store, name: str, *, recorded: Range | None = None) -> Absent:
    """A stream of ten messages without the first two, the fourth, and the seventh and eighth."""
    await ensure_home(store.connection)
    await ensure_stream(store.connection, {"name": name, "subjects": [f"{name}.>"], "allow_direct": True})
    for number in range(10):
        await store_message(store.connection, Outgoing(f"{name}.{number}", b"", {}))
    await store.connection.api(f"STREAM.PURGE.{name}", {"seq": 3}, stream=name)
    for sequence in (4, 7, 8):
        await store.connection.api(f"STREAM.MSG.DELETE.{name}", {"seq": sequence}, stream=name)
    info = await get_stream(store.connection, name)
    if recorded is not None:
        await record(store, name, stream_key(info), recorded)
    return await read_absent(store, info)


async def record(store: Store, name: str, created: str, removed: Range) -> None:
    """Write down that a run removed these, as the run itself says."""
    run = new_id()
    target = f"stream/{name}"
    asked: dict[str, Value] = {"operation": "purge", "parameters": {}, "target": target, "summary": "", "reason": REASON, "digest": ""}
    asked["saw"] = {SAW_COUNT: removed.size, SAW_SPAN: span_words(removed.first, removed.last)}
    events = [NewEvent(type="requested", payload=asked, actor="olga"), NewEvent(type="confirmed", actor="olga")]
    started = NewEvent(type="started", payload={"worker": "w"}, actor="w")
    await append(store.on(CONSOLE), Head(aggregate=run_ref(run)), [*events, started])
    removal = Removal(
        run_id=run,
        operation="purge",
        stream=name,
        created=created,
        pattern=">",
        ranges=(removed,),
        is_exact=True,
        count=removed.size,
        by="olga",
        reason=REASON,
        at=datetime.now(UTC),
    )
    await write_removal(store.connection, removal)


def test_every_hole_is_found_with_its_ends(home: Home) -> None:
    absent = home.run(holed, "HOLES")

    assert absent.parts == (Gone(first=1, last=2), Gone(first=4, last=4), Gone(first=7, last=8))
    assert absent.elsewhere == 0


def test_what_a_recorded_run_removed_bears_its_name(home: Home) -> None:
    absent = home.run(holed, "RECORDED", recorded=Range(2, 7))

    named = [(part.first, part.last) for part in absent.parts if part.run]
    assert named == [(2, 2), (4, 4), (7, 7)]
    assert [(part.first, part.last) for part in absent.parts if not part.run] == [(1, 1), (8, 8)]


def test_more_holes_than_can_be_listed_are_counted(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gone, "MOST_LISTED", 2)

    absent = home.run(holed, "MANY")

    assert absent.parts == (Gone(first=1, last=2),)
    assert absent.elsewhere == 3
