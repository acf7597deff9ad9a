"""Changes of people and tokens become events of the operator trail, once each, and nothing else does."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from apps.persistence.encoding import Value
from apps.persistence.errors import InvalidInput
from apps.persistence.events import AggregateRef, fold, new_id
from apps.persistence.registry import Command
from apps.persistence.store import CONSOLE, Store, ensure_home, load, open_store
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.work.accounts import ACCOUNT_DEFINITION, account_ref, note_account


@pytest.fixture
async def store(nats_server: EmbeddedServer) -> AsyncIterator[Store]:
    async with open_store(nats_server.settings("worker")) as opened:
        await ensure_home(opened.connection)
        yield opened


def noting(person: str, event: str, **facts: Value) -> Command:
    payload: dict[str, Value] = {"event": event, "person": person, "at": "2026-11-21T10:00:00+00:00", **facts}
    return Command(id=new_id(), aggregate=account_ref(person), name="note", payload=payload, actor="ada", correlation=new_id())


async def test_what_was_done_to_a_person_is_told_in_words_and_in_state(store: Store) -> None:
    person = f"olga-{new_id()[-8:]}"
    for command in (
        noting(person, "added", role="viewer"),
        noting(person, "role_changed", role="operator", before="viewer"),
        noting(person, "token_created", token="ci", until="2027-01-01T00:00:00+00:00", rights="no more than viewer"),
        noting(person, "access_closed"),
    ):
        await note_account(store, command)

    history = await load(store.on(CONSOLE), account_ref(person))
    assert ACCOUNT_DEFINITION.summarise is not None
    assert [ACCOUNT_DEFINITION.summarise(stored.event) for stored in history.events] == [
        f"{person} added as viewer",
        f"{person} is operator, was viewer",
        f"token ci of {person} until 2027-01-01T00:00:00+00:00, no more than viewer",
        f"{person} can no longer sign in",
    ]
    state = fold(ACCOUNT_DEFINITION, (stored.event for stored in history.events))
    assert state == {"person": person, "role": "operator", "is_open": False, "tokens": ["ci"]}
    assert {stored.event.actor for stored in history.events} == {"ada"}


async def test_note_that_comes_twice_is_stored_once(store: Store) -> None:
    command = noting(f"olga-{new_id()[-8:]}", "link_given")

    await note_account(store, command)
    await note_account(store, command)

    assert len((await load(store.on(CONSOLE), command.aggregate)).events) == 1


async def test_name_that_cannot_stand_in_a_subject_is_kept_by_its_hash(store: Store) -> None:
    command = noting("ada.king+ops@example.org", "link_given")

    await note_account(store, command)

    (stored,) = (await load(store.on(CONSOLE), command.aggregate)).events[-1:]
    assert command.aggregate.id.startswith("hash-")
    assert stored.event.payload["person"] == "ada.king+ops@example.org"


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (noting("olga", "finished"), "An account knows only the command note of one of"),
        (noting("olga", "added"), "it must have at, event, person, role"),
        (noting("olga", "added", role=1), "must be a text of 1 to 300 letters"),
        (noting("olga", "added", role="x" * 301), "must be a text of 1 to 300 letters"),
    ],
)
async def test_what_is_no_note_is_refused(store: Store, command: Command, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        await note_account(store, command)


async def test_note_for_another_account_is_refused(store: Store) -> None:
    good = noting("olga", "link_given")
    command = Command(
        id=good.id,
        aggregate=AggregateRef("console", "account", "otto"),
        name="note",
        payload=good.payload,
        actor="ada",
        correlation=good.correlation,
    )

    with pytest.raises(InvalidInput, match=r"The note is of olga, and was sent to console\.account\.otto"):
        await note_account(store, command)
