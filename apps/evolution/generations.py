"""This module is the generations of the streams with chains: which one serves, what each was made of, and how to switch back."""

from __future__ import annotations

from dataclasses import dataclass, replace

from apps.persistence.errors import InvalidInput, StreamNotFound
from apps.persistence.evolution import Manifest, StreamChange, find_manifest, read_journal
from apps.persistence.registry import Registry
from apps.persistence.store import (
    EVENTS,
    Generations,
    Layout,
    Store,
    StreamInfo,
    get_stream,
    known_generations,
    read_generations,
    stream_name,
)

from .steps import why_not

SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """One generation. `manifest` is None for the first, and for one that was only begun."""

    number: int
    info: StreamInfo
    manifest: Manifest | None
    state: str
    words: str

    @property
    def id(self) -> str:
        return f"generation-{self.info.name}"

    @property
    def made_of(self) -> str:
        """The stream that it was made of; empty for the first."""
        return stream_name(self.info.name.removesuffix(f"-{self.number}"), self.manifest.number) if self.manifest else ""

    @property
    def is_serving(self) -> bool:
        return self.state == "live"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLine:
    """All generations of one declared stream, newest first; none where the server has no such stream.

    `back` names the migration whose roll back switches to the generation before, as domain.id; that of an archive has none. `not_back` says
    why that cannot be now. `problem` is why the record cannot be read; what is shown then is what was known before.
    """

    record: Generations
    generations: tuple[Generation, ...]
    back: str
    not_back: str
    problem: str = ""


async def read_lines(store: Store, registry: Registry) -> tuple[StreamLine, ...]:
    """The stream of events, and every other declared stream that has more than one generation. Raises Unavailable."""
    found = []
    for layout in registry.layouts:
        if layout.is_chained:
            problem = ""
            try:
                record = await read_generations(store.connection, layout.stream)
            except InvalidInput as error:
                record, problem = known_generations(store.connection, layout.stream), str(error)
            if layout == EVENTS or record.last > 1 or problem:
                found.append(replace(await _line(store, registry, layout, record), problem=problem))
    return tuple(found)


async def _line(store: Store, registry: Registry, layout: Layout, record: Generations) -> StreamLine:
    numbers = range(record.last, max(0, record.last - SHOWN), -1)
    found = [one for number in numbers if (one := await _generation(store, layout, record, number))]
    serving = next((one for one in found if one.is_serving), None)
    back, not_back = await _way_back(store, registry, layout, serving)
    return StreamLine(record=record, generations=tuple(found), back=back, not_back=not_back)


async def _generation(store: Store, layout: Layout, record: Generations, number: int) -> Generation | None:
    """None where the stream is not there, as that of a migration that was cancelled."""
    try:
        info = await get_stream(store.connection, stream_name(layout.stream, number))
    except StreamNotFound:
        return None
    manifest = await find_manifest(store.on(layout.of_generation(number))) if number > 1 else None
    state, words = ("closed", "Closed, kept")
    if number == record.serving:
        state, words = ("live", "Serves")
    elif number == record.filling:
        state, words = ("running", "Being filled")
    return Generation(number=number, info=info, manifest=manifest, state="off" if state == "closed" else state, words=words)


async def _way_back(store: Store, registry: Registry, layout: Layout, serving: Generation | None) -> tuple[str, str]:
    """The migration that made the generation that serves, and why it cannot be rolled back now."""
    if serving is None or serving.manifest is None:
        return "", ""
    if serving.manifest.archived is not None:
        return "", ""
    wanted = serving.manifest.migration
    for domain, declared in registry.migrations.items():
        for one in declared:
            if isinstance(one.change, StreamChange) and one.change.id == wanted and one.change.layout.stream == layout.stream:
                return f"{domain}.{one.id}", why_not(await read_journal(store, domain), one, "back")
    return "", f"No domain declares the migration {wanted} any more."
