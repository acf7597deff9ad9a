"""This module is a small domain with a saga for tests: ledgers that are charged and refunded, boxes that are packed and answer later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from apps.domain.sagas import Retry, Saga, SagaCommand, SagaProcess, Step, Trigger, aggregate_of, handler_of_saga
from apps.domain.sagas.definition import MakeCommand
from apps.persistence.encoding import Value
from apps.persistence.errors import InvalidState
from apps.persistence.events import AggregateDefinition, AggregateRef, Event, NewEvent, State
from apps.persistence.registry import Command, Domain
from apps.persistence.work.decide import handler_of

CONTEXT = "sagatest"
QUICK = Retry(attempts=3, first_seconds=0.05, factor=2)
FAULTS: dict[str, int] = {}
"""How many more times the command of this aggregate and name fails with a bug."""


def _apply(state: State, event: Event) -> State:
    return {**state, "events": [*state.get("events", []), event.type]}  # type: ignore[misc]


LEDGER = AggregateDefinition(context=CONTEXT, type="ledger", title="Ledger", apply=_apply)
BOX = AggregateDefinition(context=CONTEXT, type="box", title="Box", apply=_apply)


def _decide(state: State, command: Command) -> Sequence[NewEvent]:
    """Each command becomes an event of its name with an ed; what the payload refuses is refused."""
    if FAULTS.get(f"{command.aggregate}.{command.name}", 0):
        FAULTS[f"{command.aggregate}.{command.name}"] -= 1
        raise RuntimeError("a bug")
    if command.name in str(command.payload.get("refuse", "")).split():
        raise InvalidState(f"{command.name} is refused here.")
    return [NewEvent(type=f"{command.name}ed")]


def _at(kind: str, name: str) -> MakeCommand:
    def make(said: Mapping[str, Value]) -> SagaCommand:
        return SagaCommand(aggregate=AggregateRef(CONTEXT, kind, str(said["id"])), name=name, payload={"refuse": said.get("refuse", "")})

    return make


PACK = Step(
    name="pack",
    command=_at("box", "pack"),
    compensation=_at("box", "unpack"),
    done_on=("sealed",),
    failed_on=("torn",),
    timeout_seconds=60,
    retry=QUICK,
)
PARCEL = Saga(
    context=CONTEXT,
    type="parcel",
    title="Parcel",
    steps=(
        Step(name="pay", command=_at("ledger", "charg"), compensation=_at("ledger", "refund"), retry=QUICK),
        PACK,
        Step(name="close", command=_at("ledger", "clos"), retry=QUICK),
    ),
    triggers=(
        Trigger(
            event=(CONTEXT, "ledger", "opened"),
            since=datetime(2026, 1, 1, tzinfo=UTC),
            said_of=lambda event: {"id": event.aggregate.id, **event.payload},
        ),
    ),
)
HASTY = Saga(context=CONTEXT, type="hasty", title="Hasty", steps=(replace(PACK, timeout_seconds=0.2),))

DOMAIN = Domain(
    name="sagatest",
    title="Saga test",
    aggregates=(LEDGER, BOX, aggregate_of(PARCEL), aggregate_of(HASTY)),
    commands={
        LEDGER.key: handler_of(LEDGER, _decide),
        BOX.key: handler_of(BOX, _decide),
        PARCEL.key: handler_of_saga(PARCEL),
        HASTY.key: handler_of_saga(HASTY),
    },
    processes=(SagaProcess(saga=PARCEL, ack_wait_seconds=1), SagaProcess(saga=HASTY, ack_wait_seconds=1)),
)
