"""This module is how fast streams grow, as seen by this process while somebody looks: two looks at a last sequence give a rate."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable

from apps.persistence.store import StreamInfo

WINDOW_SECONDS = 15.0
SAMPLE_SECONDS = 5.0
SAMPLES_KEPT = 720
_FORGET_AFTER = 2000


class Rates:
    """The looks at each stream. Used on the console's loop alone, so it needs no lock."""

    def __init__(self) -> None:
        self._looks: dict[str, deque[tuple[float, int]]] = {}
        self._history: dict[str, deque[tuple[float, int]]] = {}

    def note(self, streams: Iterable[StreamInfo], now: float | None = None) -> None:
        """Remember where each stream is now."""
        moment = time.monotonic() if now is None else now
        for stream in streams:
            self._note_one(f"{stream.name} {stream.created}", moment, stream.last_sequence)
        if len(self._looks) > _FORGET_AFTER:
            self._forget(moment)

    def per_second(self, stream: StreamInfo) -> float | None:
        """Events in a second over the last WINDOW_SECONDS or what is known of them; None until a second has passed between two looks."""
        looks = self._looks.get(f"{stream.name} {stream.created}")
        if not looks or looks[-1][0] - looks[0][0] < 1:
            return None
        (began, first), (ended, last) = looks[0], looks[-1]
        return (last - first) / (ended - began)

    def line(self, stream: StreamInfo) -> tuple[float, ...]:
        """Rates of the last hour, oldest first, one for each SAMPLE_SECONDS in which somebody looked."""
        samples = self._history.get(f"{stream.name} {stream.created}")
        if not samples or len(samples) < 2:
            return ()
        pairs = zip(samples, list(samples)[1:], strict=False)
        return tuple(round((b - a) / (ended - began), 2) for (began, a), (ended, b) in pairs)

    def _note_one(self, key: str, moment: float, sequence: int) -> None:
        looks = self._looks.setdefault(key, deque())
        looks.append((moment, sequence))
        while len(looks) > 2 and moment - looks[1][0] >= WINDOW_SECONDS:
            looks.popleft()
        history = self._history.setdefault(key, deque(maxlen=SAMPLES_KEPT))
        if not history or moment - history[-1][0] >= SAMPLE_SECONDS:
            history.append((moment, sequence))

    def _forget(self, moment: float) -> None:
        old = [key for key, looks in self._looks.items() if moment - looks[-1][0] > WINDOW_SECONDS * 4]
        for key in old:
            del self._looks[key], self._history[key]


RATES = Rates()
"""What this process has seen, on every connection; a stream is told from its namesakes by when it was made."""
