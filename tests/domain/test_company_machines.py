"""Every machine of the organization's aggregates, walked by asking every command in every state: what is in no table is refused."""

from __future__ import annotations

import pytest

from apps.domain.company import KINDS
from apps.domain.declared.kinds import AggregateKind
from apps.persistence.errors import InvalidInput, InvalidState
from tests.domain.given import event
from tests.domain.samples import after, ask, payloads, walk

kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.title)


@kinds
def test_commands_make_exactly_the_moves_that_the_table_has(kind: AggregateKind) -> None:
    seen = walk(kind)

    declared = {(str(before), str(then)) for before, following in kind.machine.transitions.items() for then in following}
    assert seen.moves == declared
    assert seen.reached == {str(status) for status in kind.machine.transitions}


@kinds
def test_nothing_can_be_asked_of_one_whose_status_is_final(kind: AggregateKind) -> None:
    seen = walk(kind)

    final = {str(status) for status in kind.machine.transitions if kind.machine.is_final(status)}
    changing = {name for name, command in kind.command_kinds.items() if not command.begins}
    assert {(status, name) for status in final for name in changing} <= seen.refused


@kinds
def test_every_command_needs_one_that_exists_or_begins_a_new_one(kind: AggregateKind) -> None:
    for name, command in kind.command_kinds.items():
        payload = next(payloads(command.payload))
        if command.begins:
            existing = after(kind, (name, payload))
            with pytest.raises(InvalidState, match="exists already"):
                ask(kind, existing, name, payload)
        else:
            with pytest.raises(InvalidState, match=f"There is no such {kind.id.type}"):
                ask(kind, {}, name, payload)


@kinds
def test_every_event_holds_its_own_id_and_raises_the_version_by_one(kind: AggregateKind) -> None:
    begin = next(name for name, command in kind.command_kinds.items() if command.begins)
    payload = next(payloads(kind.command_kinds[begin].payload))

    (first, *_) = ask(kind, {}, begin, payload)

    assert first.payload[f"{kind.id.type}_id"] == "x-1"
    assert after(kind, (begin, payload))["version"] == len(ask(kind, {}, begin, payload))


@kinds
def test_event_of_an_unknown_type_leaves_the_state_readable(kind: AggregateKind) -> None:
    begin = next(name for name, command in kind.command_kinds.items() if command.begins)
    state = after(kind, (begin, next(payloads(kind.command_kinds[begin].payload))))

    later = kind.definition().apply(state, event("written_by_a_later_version", {"so": "it is"}, version=2))

    assert {**later, "version": 1, "updated_at": state["updated_at"]} == {**state, "version": 1}


@kinds
def test_event_whose_payload_is_not_of_its_schema_stops_the_fold(kind: AggregateKind) -> None:
    first = next(iter(kind.event_kinds))

    with pytest.raises(InvalidState, match=rf"cannot apply {first} \(version 1\)"):
        kind.definition().apply({}, event(first, {}, of=f"{kind.id.context}.{kind.id.type}.x-1"))


@kinds
def test_command_to_one_that_names_another_is_refused(kind: AggregateKind) -> None:
    begin = next(name for name, command in kind.command_kinds.items() if command.begins)
    payload = next(payloads(kind.command_kinds[begin].payload))

    with pytest.raises(InvalidInput, match=f"{kind.id.type}_id is 'x-2', and the command is to"):
        ask(kind, {}, begin, {**payload, f"{kind.id.type}_id": "x-2"})


@kinds
def test_no_event_updates_a_value_in_place(kind: AggregateKind) -> None:
    assert [name for name in kind.event_kinds if name.endswith("updated")] == []
