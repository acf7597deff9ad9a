"""This module is the recent history of every stream: its last sequence and its bytes by ten seconds, for about a quarter of an hour.

All streams are in one key of `cim-samples`, so a page with hundreds of sparklines reads one message. The figures are packed column by
column as 64-bit integers and compressed; idle streams take almost no space.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast

from ..encoding import decode, encode
from ..errors import EncodingError, StreamNotFound
from ..store import Connection, StreamInfo, kv_get
from .samples import SAMPLES_BUCKET

STREAMS_KEY = "streams"
STREAM_SAMPLE_SECONDS = 10
STREAM_SAMPLES_KEPT = 90
MAX_BYTES = 900_000
_UNKNOWN = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSeries:
    """One stream's last sequence and bytes at each of the times; None where it was not there."""

    last_sequences: tuple[int | None, ...] = ()
    bytes: tuple[int | None, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSamples:
    """Every stream at the same times, oldest first."""

    times: tuple[datetime, ...] = ()
    streams: Mapping[str, StreamSeries] = field(default_factory=dict)

    def rates(self, stream: str) -> tuple[float, ...]:
        """Messages a second between each two times; 0 where the stream was not there or was made anew."""
        values = self.streams.get(stream, StreamSeries()).last_sequences
        return tuple(
            max(0, after - before) / max(1.0, (later - earlier).total_seconds()) if before is not None and after is not None else 0.0
            for before, after, earlier, later in zip(values, values[1:], self.times, self.times[1:], strict=False)
        )

    def added(self, moment: datetime, streams: Sequence[StreamInfo]) -> StreamSamples:
        """These samples and one more moment; streams that are gone are left out, new ones were not there before."""
        kept = STREAM_SAMPLES_KEPT - 1
        times = self.times[-kept:]
        absent: tuple[int | None, ...] = (None,) * len(times)
        series: dict[str, StreamSeries] = {}
        for stream in streams:
            before = self.streams.get(stream.name)
            series[stream.name] = StreamSeries(
                last_sequences=(*(before.last_sequences[-kept:] if before else absent), stream.last_sequence),
                bytes=(*(before.bytes[-kept:] if before else absent), stream.bytes),
            )
        return StreamSamples(times=(*times, moment), streams=series)

    def to_bytes(self) -> bytes:
        """Packed, with as many of the newest times as fit in a message."""
        samples = self
        while True:
            data = _pack(samples)
            if len(data) <= MAX_BYTES or len(samples.times) <= 2:
                return data
            samples = samples.newest(len(samples.times) // 2)

    def newest(self, count: int) -> StreamSamples:
        """Only the newest `count` times."""
        series = {
            name: StreamSeries(last_sequences=one.last_sequences[-count:], bytes=one.bytes[-count:]) for name, one in self.streams.items()
        }
        return StreamSamples(times=self.times[-count:], streams=series)


async def read_stream_samples(connection: Connection) -> StreamSamples:
    """The recent history of all streams; empty where no worker ever sampled, or it cannot be read, until the next sample."""
    try:
        entry = await kv_get(connection, SAMPLES_BUCKET, STREAMS_KEY)
    except StreamNotFound:
        return StreamSamples()
    try:
        return unpack(entry.value) if entry else StreamSamples()
    except (EncodingError, LookupError, OverflowError, TypeError, ValueError, zlib.error):
        return StreamSamples()


def unpack(data: bytes) -> StreamSamples:
    """What `to_bytes` packed."""
    fields = cast("dict[str, list[int]]", decode(data))
    times = tuple(datetime.fromtimestamp(at, UTC) for at in fields["times"])
    figures = array("q")
    figures.frombytes(zlib.decompress(cast(bytes, fields["figures"])))
    series: dict[str, StreamSeries] = {}
    width = len(times)
    for number, name in enumerate(cast("list[str]", fields["names"])):
        start = 2 * number * width
        series[name] = StreamSeries(
            last_sequences=_values(figures[start : start + width]), bytes=_values(figures[start + width : start + 2 * width])
        )
    return StreamSamples(times=times, streams=series)


def _pack(samples: StreamSamples) -> bytes:
    figures = array("q")
    for series in samples.streams.values():
        for column in (series.last_sequences, series.bytes):
            figures.extend(_UNKNOWN if value is None else value for value in column)
    return encode(
        {
            "times": [int(moment.timestamp()) for moment in samples.times],
            "names": list(samples.streams),
            "figures": zlib.compress(figures.tobytes(), 1),
        }
    )


def _values(column: array[int]) -> tuple[int | None, ...]:
    return tuple(None if value == _UNKNOWN else value for value in column)
