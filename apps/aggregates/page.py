"""This module is everything that one aggregate's page shows, read in a few requests whatever the length of its history."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from apps.persistence.chain import Verdict, verify_aggregate
from apps.persistence.events import AggregateDefinition, AggregateRef
from apps.persistence.registry import Registry
from apps.persistence.snapshots import Kept, Proof, prove, read_kept
from apps.persistence.store import EVENTS, Layout, Redaction, Store, find_redaction
from apps.registry import informed, layout_for, registry

from .address import Asked, address_of
from .chain import ChainState, Fault, chain_of
from .comparison import Comparison, compare_versions
from .event import EventDetail, describe_event
from .offers import Offers, read_offers
from .state import CannotFold, StatePane, folded, read_state
from .timeline import Entry, Marks, by_sequence, read_event, rows_of
from .window import Window, read_window

LONGEST_TOPIC = 300
SCREEN_ROWS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """What was asked for is not there. `newest` is the last version where the aggregate itself is."""

    ref: AggregateRef
    stream: str
    sentence: str
    newest: int = 0

    @property
    def address(self) -> str:
        return address_of(self.ref, self.stream)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """The proof of a snapshot, or the reason why there is none."""

    version: int
    proof: Proof | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregatePage:
    """`detail` is None where the selected version is not stored, or the aggregate did not exist at the time asked for.

    `redaction` is the record that its keys were destroyed.
    """

    asked: Asked
    layout: Layout
    definition: AggregateDefinition | None
    is_demo: bool
    window: Window
    created: datetime
    changed: datetime
    entries: tuple[Entry, ...]
    chain: ChainState
    verdict: Verdict | None
    detail: EventDetail | None
    state: StatePane
    kept: Kept
    comparison: Comparison | None
    proved: Proved | None
    redaction: Redaction | None
    offers: Offers | None

    @property
    def ref(self) -> AggregateRef:
        return self.asked.ref

    @property
    def has_snapshots(self) -> bool:
        """Snapshots are kept by an aggregate's name, and only of those in CIM-EVENTS; of encrypted ones none are taken."""
        is_encrypted = self.definition is not None and self.definition.encryption is not None
        return bool(self.kept.snapshots) or (self.layout.name == EVENTS.name and not is_encrypted)

    @property
    def usable(self) -> Kept:
        """The snapshots of the generation that is read."""
        return self.kept.of_generation(self.layout.generation)

    @property
    def is_long(self) -> bool:
        """Whether the history is longer than a screen, so that what stands beside it has to stay in sight."""
        return len(self.entries) > SCREEN_ROWS

    @property
    def title(self) -> str:
        return self.definition.title if self.definition else self.ref.type.replace("_", " ").capitalize()

    @property
    def selected(self) -> int:
        return self.window.selected

    @property
    def head(self) -> int:
        return self.window.head

    @property
    def mark(self) -> str:
        """What stands before a number: versions are ours, numbers in a foreign layout only a count."""
        return "v" if self.layout.is_chained else "#"

    @property
    def stream(self) -> str:
        """The stream as it must stand in this page's links: empty where it follows from the aggregate's name."""
        return self.asked.stream

    @property
    def address(self) -> str:
        return address_of(self.ref, self.stream)

    @property
    def base(self) -> str:
        """What the query of every link on this page begins with."""
        return f"{self.address}&" if self.stream else f"{self.address}?"

    @property
    def previous(self) -> int | None:
        return self.selected - 1 if self.selected > 1 else None

    @property
    def next(self) -> int | None:
        return self.selected + 1 if self.selected < self.head else None

    @property
    def older(self) -> int | None:
        """The version to open for what comes before the window; None where there is nothing before it that can be shown."""
        return self.window.first - 1 if self.layout.is_chained and self.window.first > 1 else None

    @property
    def newer(self) -> int | None:
        return self.window.last + 1 if self.window.last < self.head else None

    @property
    def too_large(self) -> str:
        """How the aggregate is larger than its type wants it; empty where it is not."""
        definition = self.definition
        if definition is None:
            return ""
        size = self.state.found.state_bytes if self.state.found else 0
        found = [f"{self.head:,} events, above {definition.large_events:,}"] if self.head > definition.large_events else []
        found += [f"a state of {size:,} bytes, above {definition.large_state_bytes:,}"] if size > definition.large_state_bytes else []
        return " and ".join(found)

    @property
    def broken_before(self) -> Fault | None:
        """The first fault that the state shown rests on."""
        return self.chain.breaks_before(self.selected)

    @property
    def pattern(self) -> str:
        """The subjects of all events of this aggregate."""
        return self.layout.all_of(self.ref)

    @property
    def permalink(self) -> str:
        return address_of(self.ref, self.stream, version=self.selected or None)

    @property
    def topic(self) -> str:
        """What this page looks at live: the aggregate, and the version that it knows already. Empty where its names are too long."""
        argument = f"{self.layout.stream}/{self.ref}@{self.head}"
        return f"aggregate:{argument}" if len(argument) <= LONGEST_TOPIC else ""


async def read_page(store: Store, asked: Asked) -> AggregatePage | Missing:
    """Read what the page of an aggregate needs. Raises InvalidInput for a stream without a layout, Unavailable."""
    known = registry()
    layout = layout_for(asked.ref, asked.stream)
    store = informed(store).on(layout)
    window = await read_window(store, asked.ref, version=asked.version, moment=asked.moment)
    if window is None:
        return Missing(ref=asked.ref, stream=asked.stream, sentence=f"{layout.stream} holds no event of {asked.ref}.")
    beyond = max(window.selected, asked.pair.newer if asked.pair else 0)
    if beyond > window.head:
        there = f"There is no v{beyond:,} of {asked.ref}: its newest version is v{window.head:,}."
        return Missing(ref=asked.ref, stream=asked.stream, sentence=there, newest=window.head)
    return await _page(store, asked, known, window)


async def _page(store: Store, asked: Asked, known: Registry, window: Window) -> AggregatePage:
    layout, definition, is_chained = store.layout, known.definition_of(asked.ref), store.layout.is_chained
    verdict = await verify_aggregate(store, asked.ref) if asked.verifies and is_chained else None
    chain = chain_of(layout, window, verdict)
    kept = await read_kept(store, asked.ref) if layout.name == EVENTS.name else Kept(snapshots=(), unusable=())
    usable = kept.of_generation(layout.generation)
    oldest, newest = read_event(store, window.oldest), read_event(store, window.newest)
    redaction = await find_redaction(store, asked.ref) if oldest.is_closed or newest.is_closed else None
    marks = Marks(
        definition=definition if is_chained else None,
        findings=by_sequence(chain.findings),
        snapshots={snapshot.version for snapshot in usable.snapshots},
        selected=window.selected,
        is_chained=is_chained,
        is_redacted=redaction is not None,
    )
    slot, entries = window.at(window.selected), rows_of(store, window.slots, marks)
    first, last = oldest.event, newest.event
    return AggregatePage(
        asked=asked,
        layout=layout,
        definition=definition,
        is_demo=layout.demo or bool(definition and definition.demo),
        window=window,
        created=first.time if first else window.oldest.time,
        changed=last.time if last else window.newest.time,
        entries=entries,
        chain=chain,
        verdict=verdict,
        detail=describe_event(store, slot, entries, definition) if slot else None,
        state=await read_state(store, definition, window, usable, may_take_long=asked.folds),
        kept=kept,
        comparison=await _compare(store, definition, asked, usable),
        proved=await _prove(store, definition, asked),
        redaction=redaction,
        offers=await read_offers(store, asked.ref, may_take_long=asked.folds) if asked.is_newest and layout.name == EVENTS.name else None,
    )


async def _compare(store: Store, definition: AggregateDefinition | None, asked: Asked, kept: Kept) -> Comparison | None:
    if asked.pair is None or not store.layout.is_chained:
        return None
    return await compare_versions(store, definition, asked.ref, asked.pair, kept, may_take_long=asked.folds)


async def _prove(store: Store, definition: AggregateDefinition | None, asked: Asked) -> Proved | None:
    if asked.proves is None or definition is None or not store.layout.is_chained:
        return None
    try:
        proof = await folded(definition, prove(store, definition, asked.ref, version=asked.proves))
    except CannotFold as error:
        return Proved(version=asked.proves, reason=str(error))
    return Proved(version=asked.proves, proof=proof)
