"""This module is the survey of a stream before it is copied: the head of every aggregate, and one digest of all of them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from ..encoding import Cid, Value, cid_of, encode
from ..errors import InvalidInput
from ..events import AggregateRef, Head
from ..log.frontier import Frontier
from ..log.leaves import leaf_bytes
from ..store import Store, get_stream, open_reader
from ..store.turns import Turns

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """A stream up to `last_sequence`: how many events it holds, the head of each aggregate by its name, when the last was stored.

    `log_root` is the root of its Merkle log at that size, in base64 as in checkpoints, where it was asked for.
    """

    stream: str
    messages: int
    first_sequence: int
    last_sequence: int
    last_time: datetime
    heads: Mapping[str, Head]
    log_root: str | None = None

    @property
    def digest(self) -> Cid:
        """The CID of the list of all heads, by name."""
        heads: list[Value] = [[name, self.heads[name].version, self.heads[name].cid] for name in sorted(self.heads)]
        return cid_of(encode(heads))


async def survey(store: Store, *, to_sequence: int | None = None, with_log: bool = False) -> Survey:
    """Read the stream of the store's layout, up to `to_sequence` or to its end. Raises InvalidInput at a message that has no place."""
    store = store.pinned()
    info = await get_stream(store.connection, store.layout.stream)
    last = info.last_sequence if to_sequence is None else to_sequence
    found: dict[str, tuple[AggregateRef, int, bytes]] = {}
    messages, last_time, turns = 0, info.created or info.last_time or EPOCH, Turns()
    log = Frontier()
    async with open_reader(store.connection, info.name, to_sequence=last) as reader:
        async for batch in reader:
            for message in batch:
                await turns.give_way()
                parts = store.layout.parse(message.subject)
                if parts is None or parts.version is None:
                    raise InvalidInput(
                        f"{info.name} sequence {message.sequence:,} lies under {message.subject}, which is no place of an event; "
                        "verify the stream before it is migrated."
                    )
                found[f"{parts.context}.{parts.aggregate}.{parts.entity}"] = (parts.ref, parts.version, message.data)
                if with_log:
                    _log(log, message.sequence, cid_of(message.data))
            messages, last_time = messages + len(batch), batch[-1].time
    heads: dict[str, Head] = {}
    for name, (ref, version, data) in found.items():
        heads[name] = Head(aggregate=ref, version=version, cid=cid_of(data))
        await turns.give_way()
    return Survey(
        stream=info.name,
        messages=messages,
        first_sequence=info.first_sequence,
        last_sequence=last,
        last_time=last_time,
        heads=heads,
        log_root=b64encode(log.root()).decode() if with_log else None,
    )


def _log(log: Frontier, sequence: int, cid: Cid) -> None:
    """The next leaf, and before it those of sequences that hold nothing."""
    log.append(leaf_bytes(missing, None) for missing in range(log.size + 1, sequence))
    log.append([leaf_bytes(sequence, cid)])
