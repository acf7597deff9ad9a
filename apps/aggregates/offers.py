"""This module is what can be asked of an aggregate now: each declared command, where it leads, and why it is not legal if it is not."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from django.urls import reverse

from apps.domain.cqrs import CommandSet, DeclaredCommand, QuerySet
from apps.persistence.errors import Unavailable
from apps.persistence.events import AggregateRef, State
from apps.persistence.snapshots import read_kept, state_at
from apps.persistence.store import EVENTS, Store, head_of
from apps.registry import informed, layout_for, registry

from .drawing import Drawing, Marked, draw
from .state import FOLDED_AT_ONCE, CannotFold, events_to_read, folded
from .timeline import name_error

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One command; `refusal` is empty where it can be sent."""

    command: DeclaredCommand
    refusal: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Offers:
    """All commands of one aggregate in its newest state. `reason` says why it is not known what is legal."""

    status: str
    version: int
    offers: tuple[Offer, ...]
    drawing: Drawing | None
    reason: str = ""

    @property
    def legal(self) -> tuple[Offer, ...]:
        return tuple(offer for offer in self.offers if not offer.refusal)

    @property
    def refused(self) -> tuple[Offer, ...]:
        return tuple(offer for offer in self.offers if offer.refusal)


def commands_for(context: str, type: str) -> CommandSet | None:
    """The commands that a domain declares for this type as data, if it does."""
    handler = registry().commands.get((context, type))
    return handler if isinstance(handler, CommandSet) else None


def queries_for(context: str, type: str) -> QuerySet | None:
    """The queries that a domain declares about this type as data, if it does."""
    handler = registry().queries.get((context, type))
    return handler if isinstance(handler, QuerySet) else None


def address_of_command(ref: AggregateRef, name: str) -> str:
    """The page with the form of a command."""
    return reverse("aggregates:command", args=[ref.context, ref.type, ref.id, name])


async def read_offers(store: Store, ref: AggregateRef, *, may_take_long: bool = False) -> Offers | None:
    """What can be asked of this aggregate; None where its domain declares no commands as data. Raises Unavailable."""
    commands = commands_for(ref.context, ref.type)
    if commands is None or layout_for(ref).name != EVENTS.name:
        return None
    version = (await head_of(informed(store), ref)).version
    try:
        return _offers(commands, ref, await _newest_state(store, commands, ref, version, may_take_long=may_take_long), version)
    except Unavailable:
        raise
    except CannotFold as error:
        return _unchecked(commands, ref, version, str(error))
    except Exception as error:  # a domain's own rules, which may raise anything
        _logger.exception("the commands of %s.%s failed", ref.context, ref.type)
        return _unchecked(commands, ref, version, f"The rules of the domain failed: {name_error(error)}.")


async def _newest_state(store: Store, commands: CommandSet, ref: AggregateRef, version: int, *, may_take_long: bool) -> State:
    """The state at the head. Raises CannotFold, also where it would take too long, and Unavailable."""
    definition, known = commands.definition, informed(store)
    if version == 0:
        return dict(definition.initial)
    kept = (await read_kept(known, ref)).of_generation(known.layout.generation)
    to_read = events_to_read(definition, kept, version)
    if to_read > FOLDED_AT_ONCE and not may_take_long:
        raise CannotFold(f"The state needs {to_read:,} events, so what is legal now was not worked out. Take a snapshot to see it.")
    return dict((await folded(definition, state_at(known, definition, ref))).state)


def _unchecked(commands: CommandSet, ref: AggregateRef, version: int, reason: str) -> Offers:
    """All commands, to be decided by the worker alone."""
    offers = tuple(
        Offer(command=one, refusal="", address=address_of_command(ref, one.name)) for one in commands.commands if not one.creates
    )
    return Offers(status="", version=version, offers=offers, drawing=None, reason=reason)


def _offers(commands: CommandSet, ref: AggregateRef, state: State, version: int) -> Offers:
    offers = tuple(
        Offer(command=one, refusal=commands.refusal_of(one, state), address=address_of_command(ref, one.name))
        for one in commands.commands
        if version == 0 or not one.creates
    )
    status = commands.status_of(state) or ""
    links = {offer.command.name: offer.address for offer in offers if not offer.refusal}
    drawing = draw(commands, Marked(status=status, links=links)) if commands.states else None
    return Offers(status=status, version=version, offers=offers, drawing=drawing)
