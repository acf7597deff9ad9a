"""What is live on the page of a run."""

from __future__ import annotations

import asyncio

import pytest

from apps.persistence.encoding import Value
from apps.persistence.events import Head, NewEvent, new_id
from apps.persistence.store import CONSOLE, Store, append, ensure_home, head_of, open_store
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.work.progress import ensure_runs_bucket
from apps.persistence.work.run import run_ref
from apps.runs import live
from apps.runs.page import RunPage, read_run_page

ASKED: dict[str, Value] = {"operation": "verify", "parameters": {}, "target": "stream/CIM-EVENTS", "summary": "Verify", "reason": "because"}


async def test_pause_that_is_told_before_it_is_stored_is_shown_without_waiting_for_the_next_event(
    own_nats_server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []

    async def too_early(store: Store, run_id: str) -> RunPage:
        """The first look after the pause sees the run as it was before."""
        page = await read_run_page(store, run_id)
        assert page.run is not None
        looks.append(page.run.state.value)
        return before[0] if looks.count("paused") == 1 else page

    monkeypatch.setattr(live, "read_run_page", too_early)
    monkeypatch.setattr(live, "LOOK_SECONDS", 600)
    run = run_ref(new_id())
    async with open_store(own_nats_server.settings("worker")) as store, asyncio.timeout(60):
        await ensure_home(store.connection)
        await ensure_runs_bucket(store.connection)
        await append(store.on(CONSOLE), Head(aggregate=run), [NewEvent(type="requested", payload=ASKED), NewEvent(type="confirmed")])
        before = [await read_run_page(store, run.id)]
        frames = live.run(store, f"{run.id}/watch")
        await anext(frames)
        await append(store.on(CONSOLE), await head_of(store.on(CONSOLE), run), [NewEvent(type="paused")])

        while not any("Paused" in frame.html for frame in await anext(frames)):
            pass
        await frames.aclose()

    assert looks[:3] == ["confirmed", "paused", "paused"]
