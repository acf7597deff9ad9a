"""This module is releasing events that wait for a person before they travel to another server."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from ..errors import InvalidInput
from ..registry import Registry
from ..store import Store
from ..sync import GATHERED_STREAM, Held, Link, held_of, read_state, release
from ..sync.gathered import layout_of
from ..work.choices import links
from ..work.operation import Change, Outcome, Plan, Progress

_SHOWN = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Lets events whose policy is manual go to the server above, up to a sequence of this node's stream."""

    title: ClassVar[str] = "Release events"
    permission: ClassVar[str] = "operations.release"

    link: str = field(metadata={"help": "The link by which they go.", "choices": links})
    until: int = field(metadata={"help": "Up to this sequence, which is among them.", "least": 1})
    stream: str = field(default="CIM-EVENTS", metadata={"help": f"CIM-EVENTS, or {GATHERED_STREAM} for what other nodes sent here."})

    @property
    def target(self) -> str:
        """One thing at a time is done to a link."""
        return f"link/{self.link}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """What would go. Raises InvalidInput where nothing waits up to there."""
        link = _find(registry, self.link)
        held = await self._held(store, link)
        going = [one for one in held if one.sequence <= self.until]
        if not going:
            raise InvalidInput(f"Nothing waits on {self.link} up to sequence {self.until:,} of {self.stream}; its page lists what does.")
        return Plan(
            summary=f"Release {len(going):,} event{'' if len(going) == 1 else 's'} to {self.link}",
            saw={"held": str([one.sequence for one in going])},
            changes=(Change(what="Events that wait", now=f"{len(held):,}", after=f"{len(held) - len(going):,}"),),
            counts=(("events that go", len(going)),),
            notes=(
                f"They go to the layer {link.layer.value} and from there as far as the scope of each allows.",
                "Of one aggregate nothing overtakes: what follows a waiting event goes with it or waits on.",
            ),
            undo="What has travelled cannot be called back; no event is changed or removed here.",
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Note the sequence; the link sends within a second while it is up."""
        link = _find(registry, self.link)
        await release(store.connection, link, self._stream(store), until=self.until)
        return Outcome(sentence=f"Events up to sequence {self.until:,} of {self.stream} may go to {self.link}.")

    async def _held(self, store: Store, link: Link) -> list[Held]:
        source = store.on(layout_of(link.node)) if self.stream == GATHERED_STREAM else store
        return await held_of(link, source, await read_state(store.connection, link, source.layout.stream), limit=_SHOWN)

    def _stream(self, store: Store) -> str:
        return self.stream if self.stream == GATHERED_STREAM else store.layout.stream


def _find(registry: Registry, name: str) -> Link:
    if name not in registry.links:
        there = f"there are {', '.join(registry.links)}" if registry.links else "this node has none; see CIM_LINKS"
        raise InvalidInput(f"There is no link {name[:80]!r}; {there}.")
    return registry.links[name]
