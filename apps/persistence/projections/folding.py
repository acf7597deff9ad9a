"""This module is folding: stored messages and the models they touch become changed models, without any input or output.

The result depends on the events alone, never on where a batch was cut or on the clock: the same events leave byte-identical models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from ..encoding import Value, decode, encode
from ..errors import EncodingError, InvalidInput, InvalidState, PayloadRedacted, PersistenceError
from ..events import StoredEvent, format_time, is_opening
from ..store import Message, Store, check_key, decode_event
from .definition import Model, ProjectionDefinition
from .models import MAX_CHANGES

_CHANGED_ITS_INPUT = "apply changed the model that it was given; it must return a new one"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stumble:
    """The first message that could not be applied, and why."""

    message: Message
    reason: str


class Touched:
    """Events to be applied together, each with the keys that it names; after them `stumble`, if one could not be read.

    `is_full` once the next event does not fit any more, because its models would be too many for one batch. Of an event whose payload is
    redacted nothing is applied: its keys are None.
    """

    __slots__ = ("events", "is_full", "keys", "stumble")

    def __init__(self) -> None:
        self.events: list[tuple[Message, StoredEvent, tuple[str, ...] | None]] = []
        self.keys: set[str] = set()
        self.is_full = False
        self.stumble: Stumble | None = None

    @property
    def is_closed(self) -> bool:
        """Whether no event may be added."""
        return self.is_full or self.stumble is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """What a batch leaves: the bytes of each changed model (None: deleted), how many events were applied, and where it stumbled."""

    changes: Mapping[str, bytes | None]
    applied: int
    stumble: Stumble | None = None


def touch(touched: Touched, store: Store, definition: ProjectionDefinition, messages: Sequence[Message]) -> None:
    """Decode `messages`, ask which models they touch, and add them to `touched` as far as they fit in one batch."""
    for message in messages:
        try:
            stored = decode_event(store, message)
            if is_opening(stored.event) and not definition.from_openings:
                touched.events.append((message, stored, None))
                continue
            if definition.reads_payload:
                stored = store.upcasters.read(stored)
            named = tuple(definition.keys(stored))
            if not touched.keys.issuperset(named):
                _check_keys(named)
        except PayloadRedacted:
            touched.events.append((message, stored, None))
            continue
        except Exception as error:
            touched.stumble = Stumble(message=message, reason=_words(error))
            return
        if len(touched.keys) + len(named) > MAX_CHANGES and len(touched.keys.union(named)) > MAX_CHANGES:
            touched.is_full = True
            return
        touched.keys.update(named)
        touched.events.append((message, stored, named))


def fold(definition: ProjectionDefinition, touched: Touched, stored: Mapping[str, bytes | None], *, max_bytes: int) -> Folded:
    """Apply the events in order to the `stored` models.

    A model that cannot be encoded, or is larger than `max_bytes`, counts against the first event that left it so (what a later event of
    the same batch mends is not noticed).
    """
    folding = _Folding(definition, stored, max_bytes)
    stumble = folding.run(touched, is_careful=False)
    try:
        return folding.result(stumble or touched.stumble)
    except (EncodingError, InvalidState):
        folding = _Folding(definition, stored, max_bytes)
        return folding.result(folding.run(touched, is_careful=True))


@dataclass(frozen=True, slots=True)
class _Live:
    """A model while it is folded: as it is after the events so far. `stored` are the bytes before this batch.

    `sequence` and `updated` are of the newest event in it; one that is applied after later ones does not set them back.
    """

    stored: bytes | None
    model: Model | None
    created: datetime | str | None = None
    updated: datetime | str | None = None
    sequence: int = 0
    is_changed: bool = False

    def become(self, model: Model | None, by: StoredEvent) -> _Live:
        created = by.stored_at if self.model is None else self.created
        if by.sequence < self.sequence:
            return _Live(self.stored, model, created, self.updated, self.sequence, True)
        return _Live(self.stored, model, created, by.stored_at, by.sequence, True)


class _Folding:
    """One batch."""

    def __init__(self, definition: ProjectionDefinition, stored: Mapping[str, bytes | None], max_bytes: int) -> None:
        self._definition = definition
        self._is_wrapped = definition.target is None
        self._stored = stored
        self._max_bytes = max_bytes
        self._live: dict[str, _Live] = {}
        self._applied = 0

    def run(self, touched: Touched, *, is_careful: bool) -> Stumble | None:
        """Apply all events; stop before the first that cannot be applied and return it. Careful: encode after every event."""
        live = self._live
        for message, event, keys in touched.events:
            if keys is None:
                self._applied += 1
                continue
            try:
                for key in keys:
                    if key not in live:
                        live[key] = self._open(key)
                changes = self._apply(event, keys)
                if is_careful:
                    for key, entry in changes.items():
                        self._encode(key, entry)
            except Exception as error:
                return Stumble(message=message, reason=_words(error))
            live.update(changes)
            self._applied += 1
        return touched.stumble

    def result(self, stumble: Stumble | None) -> Folded:
        """The changed models in the order of the events that changed them last. Raises EncodingError or InvalidState."""
        changed = sorted((item for item in self._live.items() if item[1].is_changed), key=lambda item: item[1].sequence)
        changes = {key: self._encode(key, entry) for key, entry in changed}
        return Folded(changes=changes, applied=self._applied, stumble=stumble)

    def _open(self, key: str) -> _Live:
        data = self._stored.get(key)
        if data is None:
            return _Live(None, None)
        value = cast("dict[str, Value]", decode(data))
        if not self._is_wrapped:
            return _Live(data, value)
        metadata = cast("dict[str, Any]", value["metadata"])
        known = metadata["created"], metadata["last_updated"], metadata["last_event_position"]
        return _Live(data, cast(Model, value["model"]), *known)

    def _apply(self, event: StoredEvent, keys: tuple[str, ...]) -> dict[str, _Live]:
        live = self._live
        changes: dict[str, _Live] = {}
        for key, model in self._definition.apply(event, {key: live[key].model for key in keys}).items():
            if key not in keys:
                raise InvalidState(f"apply changed {key}, which keys does not name for this event")
            entry = live[key]
            if model is entry.model:
                self._check_untouched(entry)
            elif model is None or entry.model is None or model != entry.model:
                changes[key] = entry.become(model, event)
        return changes

    def _check_untouched(self, entry: _Live) -> None:
        """The same object means: not changed. A model that was altered in place is caught while its stored bytes still tell."""
        if entry.model is None or entry.is_changed or entry.stored is None:
            return
        if entry.model != self._open_bytes(entry.stored):
            raise InvalidState(_CHANGED_ITS_INPUT)

    def _open_bytes(self, data: bytes) -> Value:
        value = cast("dict[str, Value]", decode(data))
        return value["model"] if self._is_wrapped else value

    def _encode(self, key: str, entry: _Live) -> bytes | None:
        if entry.model is None:
            return None
        data = encode(self._wrap(key, entry) if self._is_wrapped else entry.model)
        if len(data) > self._max_bytes:
            raise InvalidState(f"the model {key} would take {len(data):,} bytes, more than the server stores ({self._max_bytes:,})")
        return data

    def _wrap(self, key: str, entry: _Live) -> dict[str, Value]:
        model_type, _, model_id = key.partition(".")
        metadata: dict[str, Value] = {
            "id": model_id,
            "model_type": model_type,
            "schema_version": self._definition.version,
            "created": _time_text(entry.created),
            "last_event_position": entry.sequence,
            "last_updated": _time_text(entry.updated),
        }
        return {"metadata": metadata, "model": entry.model}


def _time_text(moment: datetime | str | None) -> str | None:
    return format_time(moment) if isinstance(moment, datetime) else moment


def _check_keys(keys: tuple[str, ...]) -> None:
    if len(keys) > MAX_CHANGES:
        raise InvalidInput(f"keys names {len(keys):,} models for one event; at most {MAX_CHANGES:,} can change together")
    for key in keys:
        if "." not in check_key(key):
            raise InvalidInput(f"keys names {key!r}; a model's key is {{model_type}}.{{id}}")


def _words(error: Exception) -> str:
    """What a person reads: our own errors as they are, others with their type."""
    if isinstance(error, PersistenceError):
        return str(error)
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
