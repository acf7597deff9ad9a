"""This module is the sampler: the one task in all workers that writes down where projections and streams are, under a lease of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from ..errors import PersistenceError
from ..events import now
from ..store import Connection, ensure_bucket, kv_put, kv_put_batch, list_streams
from .definition import ProjectionDefinition
from .facts import Facts, gather_facts
from .samples import SAMPLES_BUCKET, TIERS, Point, Series, read_series, sample_key
from .stored_status import StatusWriter
from .stream_samples import STREAM_SAMPLE_SECONDS, STREAMS_KEY, StreamSamples, read_stream_samples
from .supervisor import HoldLease

SAMPLE_SECONDS = 5
SAMPLER_LEASE = "sampler"
_KEYS_PER_BATCH = 200

log = logging.getLogger(__name__)


class Sampler:
    """Adds a sample to every series each time it is asked to. It goes on where an earlier sampler stopped."""

    def __init__(self, connection: Connection, definitions: Sequence[ProjectionDefinition]) -> None:
        self._connection = connection
        self._definitions = definitions
        self._series: dict[str, Series] = {}
        self._streams = StreamSamples()
        self._statuses = StatusWriter(connection)

    async def open(self) -> None:
        """Read what is there already, creating the bucket if it is not."""
        await ensure_bucket(self._connection, SAMPLES_BUCKET)
        names = [definition.name for definition in self._definitions]
        for tier in TIERS:
            found = await read_series(self._connection, names, tier.name)
            self._series |= {sample_key(name, tier.name): found.get(name) or Series(tier) for name in names}
        self._streams = await read_stream_samples(self._connection)
        await self._statuses.open(names)

    async def sample_projections(self) -> None:
        """One more point for every projection that has run, and its status for readers where that has changed."""
        changed: dict[str, bytes | None] = {}
        all_facts = await gather_facts(self._connection, self._definitions, with_next=False)
        await self._statuses.write(all_facts)
        for facts in all_facts:
            point = _point(facts)
            if point is None:
                continue
            for tier in TIERS:
                key = sample_key(facts.definition.name, tier.name)
                if self._series[key].add(point):
                    changed[key] = self._series[key].to_bytes()
        keys = list(changed)
        for start in range(0, len(keys), _KEYS_PER_BATCH):
            await kv_put_batch(self._connection, SAMPLES_BUCKET, {key: changed[key] for key in keys[start : start + _KEYS_PER_BATCH]})

    async def sample_streams(self) -> None:
        """One more moment for every stream of the account."""
        self._streams = self._streams.added(now(), await list_streams(self._connection))
        await kv_put(self._connection, SAMPLES_BUCKET, STREAMS_KEY, self._streams.to_bytes())


async def run_sampler(connection: Connection, definitions: Sequence[ProjectionDefinition], hold_lease: HoldLease) -> None:
    """Sample until cancelled, whenever this worker holds the lease `sampler`."""
    while True:
        try:
            async with hold_lease(SAMPLER_LEASE) as lease:
                sampler = Sampler(connection, definitions)
                await sampler.open()
                while not lease.lost.is_set():
                    await _sample(sampler)
        except PersistenceError as error:
            log.warning("samples are late: %s", error)
        await asyncio.sleep(SAMPLE_SECONDS)


async def _sample(sampler: Sampler) -> None:
    """One round: projections each time, streams every second time, at even distances."""
    loop = asyncio.get_running_loop()
    for number in range(STREAM_SAMPLE_SECONDS // SAMPLE_SECONDS):
        began = loop.time()
        await sampler.sample_projections()
        if number == 0:
            await sampler.sample_streams()
        await asyncio.sleep(max(0.0, began + SAMPLE_SECONDS - loop.time()))


def _point(facts: Facts) -> Point | None:
    build = facts.measured
    if build is None or build.lag is None:
        return None
    return Point(int(now().timestamp()), build.lag, build.position.sequence, build.position.applied, build.build)
