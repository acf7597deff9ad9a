"""A refused request is an event of the operator trail, once, and no run."""

from __future__ import annotations

from apps.persistence.encoding import Value
from apps.persistence.events import new_id
from apps.persistence.registry import Command
from apps.persistence.store import CONSOLE, ensure_home, load, open_store
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.work.refusals import REQUEST_DEFINITION, find_refusal, note_refusal, request_ref
from apps.persistence.work.run import load_run, run_ref


async def test_refusal_that_is_noted_twice_is_stored_once_with_who_asked_for_what(nats_server: EmbeddedServer) -> None:
    run_id = new_id()
    payload: dict[str, Value] = {"operation": "purge", "parameters": {"stream": "A"}, "reason": "tidy", "saw": {"messages": 3}}
    command = Command(id=run_id, aggregate=run_ref(run_id), name="request", payload=payload, actor="olga", correlation=run_id)
    async with open_store(nats_server.settings("worker")) as store:
        await ensure_home(store.connection)

        await note_refusal(store, command, "messages was 3 and is 4. Plan again.")
        await note_refusal(store, command, "messages was 3 and is 5. Plan again.")

        (stored,) = (await load(store.on(CONSOLE), request_ref(run_id))).events
        assert await find_refusal(store, run_id) == "messages was 3 and is 4. Plan again."
        assert await load_run(store, run_id) is None
    assert (stored.event.type, stored.event.actor, stored.event.causation) == ("refused", "olga", run_id)
    assert stored.event.payload == {
        "operation": "purge",
        "parameters": {"stream": "A"},
        "reason": "tidy",
        "refusal": "messages was 3 and is 4. Plan again.",
    }
    assert REQUEST_DEFINITION.summarise is not None
    assert REQUEST_DEFINITION.summarise(stored.event) == "purge was refused: messages was 3 and is 4. Plan again."
