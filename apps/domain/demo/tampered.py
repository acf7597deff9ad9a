"""This module is the demo's tampered stream: six orders changed behind the store's back, each in one way, and an intact one.

They are written once, raw, into a stream and under a root of their own whose names say so; nothing of it mixes with real events. Each
order's id says what was done to it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from apps.persistence.encoding import Cid, cid_of
from apps.persistence.events import AggregateRef, Event, State
from apps.persistence.store import Connection, Layout, Outgoing, ensure_event_stream, store_batch
from apps.persistence.store.publish import MESSAGE_ID

from ..orders import ORDER
from . import catalogue
from .steps import Step, to_event

TAMPERED = Layout(stream="CIM-DEMO-TAMPERED", root="cim.demo-tampered", demo=True)
INTACT = "intact"
WAYS = ("content-changed", "link-broken", "missing-version", "duplicate-version", "wrong-place", "undecodable-bytes")
AT = 4
"""The version at which something is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    """A message as the store would write it: `cid` names its content, in the header and in the next event's link."""

    event: Event
    data: bytes
    cid: Cid


async def write_tampered(connection: Connection, seed: int) -> bool:
    """Create the stream and fill it, all at once, if it is empty. Returns whether it was."""
    info = await ensure_event_stream(connection, TAMPERED)
    if info.messages:
        return False
    await store_batch(connection, messages(seed))
    return True


def messages(seed: int) -> list[Outgoing]:
    """Every message of the stream in its order."""
    intact = _chain(INTACT, seed)
    found = [_outgoing(stored) for stored in intact]
    for way in WAYS:
        found += _tampered(way, _chain(way, seed), intact)
    return found


def _chain(order_id: str, seed: int) -> list[_Stored]:
    """A chain as the store would have written it."""
    ref, state = catalogue.order_ref(order_id), State()
    chain: list[_Stored] = []
    for version, step in enumerate(_steps(ref, Random(f"{seed}:{order_id}")), start=1):
        (new,) = step.decide(state)
        event = to_event(new, ref, version=version, previous=chain[-1].cid if chain else None)
        state = ORDER.apply(state, event)
        chain.append(_stored(event))
    return chain


def _steps(ref: AggregateRef, rng: Random) -> list[Step]:
    items = [Step(ref, "add_item", catalogue.any_item(rng)) for _ in range(4)]
    customer = {"customer": catalogue.customer_ref(rng.randint(1, 20)).id, "currency": catalogue.CURRENCY}
    return [Step(ref, "create", dict(customer)), *items, Step(ref, "set_address", catalogue.any_address(rng)), Step(ref, "submit", {})]


def _tampered(way: str, chain: list[_Stored], intact: list[_Stored]) -> list[Outgoing]:
    """The messages of the chain with version 4 dealt with in this way, everything else untouched."""
    if way == "link-broken":
        chain = _relinked(chain)
    found = [_outgoing(stored) for stored in chain]
    wrong, untouched = chain[AT - 1], found[AT - 1]
    match way:
        case "content-changed":
            payload = {**wrong.event.payload, "unit_cents": 1}
            found[AT - 1] = untouched._replace(data=replace(wrong.event, payload=payload).to_block())
        case "missing-version":
            del found[AT - 1]
        case "duplicate-version":
            second = replace(wrong.event, type="discount_applied", payload={"percent": 15, "reason": "written by a second writer"})
            found.insert(AT, _outgoing(_stored(second)))
        case "wrong-place":
            found[AT - 1] = Outgoing(untouched.subject, intact[AT - 1].data, {})
        case "undecodable-bytes":
            found[AT - 1] = untouched._replace(data=wrong.data[: len(wrong.data) // 2])
    return found


def _relinked(chain: list[_Stored]) -> list[_Stored]:
    """Version 4 links to version 2 instead of 3, and those after it follow it: one link is broken, not more."""
    relinked = chain[: AT - 1]
    for stored in chain[AT - 1 :]:
        previous = relinked[-2] if stored.event.version == AT else relinked[-1]
        relinked.append(_stored(replace(stored.event, previous=previous.cid)))
    return relinked


def _stored(event: Event) -> _Stored:
    data = event.to_block()
    return _Stored(event=event, data=data, cid=cid_of(data))


def _outgoing(stored: _Stored) -> Outgoing:
    return Outgoing(TAMPERED.subject(stored.event), stored.data, {MESSAGE_ID: str(stored.cid)})
