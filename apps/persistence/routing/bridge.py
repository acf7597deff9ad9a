"""This module is the bridge between bounded contexts: an event of one, said again in the words of each context that wants it.

Subjects are those of the short convention, `<context>.<aggregate>.<event>.<version>`. What is translated and for whom is declared; nothing
is guessed. A message says in one header through which contexts it came, and is never brought back into one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..encoding import Value, decode, encode
from ..errors import InvalidInput, NoMapping
from ..store import Connection
from ..subjects import ShortSubject, check_token
from .message import NatsMessage
from .router import RouteHandler, RoutePattern

CAME_THROUGH = "Cim-Came-Through"
"""The header that names the contexts a message has been in, with commas between."""

Transform = Callable[[bytes], bytes]


def on_payload(change: Callable[[dict[str, Value]], dict[str, Value]]) -> Transform:
    """A transformation of payloads that are maps in DAG-CBOR. What it makes of another payload raises InvalidInput."""

    def transform(payload: bytes) -> bytes:
        value = decode(payload)
        if not isinstance(value, dict):
            raise InvalidInput(f"The payload is a {type(value).__name__}, and only a map can be said in other words.")
        return encode(change(value))

    return transform


def parse_subject(subject: str) -> ShortSubject:
    """The parts of a subject. Raises InvalidSubject."""
    return ShortSubject.parse(subject)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextMapping:
    """How events of `source` are said in `target`. Without `transform` payloads stay as they are; `transform_back` is its reverse."""

    source: str
    target: str
    aggregates: Mapping[str, str]
    event_types: Mapping[str, str]
    transform: Transform | None = None
    transform_back: Transform | None = None

    def __post_init__(self) -> None:
        if check_token(self.source, "a context") == check_token(self.target, "a context"):
            raise InvalidInput(f"A mapping leads from {self.source} to itself; name two contexts.")
        for name in (*self.aggregates, *self.aggregates.values()):
            check_token(name, "an aggregate type")
        for name in (*self.event_types, *self.event_types.values()):
            check_token(name, "an event type")

    def map_aggregate(self, aggregate: str) -> str:
        """The target's word for an aggregate type. Raises NoMapping."""
        return self._word(self.aggregates, aggregate, "aggregate type")

    def map_event_type(self, event_type: str) -> str:
        """The target's word for an event type. Raises NoMapping."""
        return self._word(self.event_types, event_type, "event type")

    def transform_event(self, message: NatsMessage) -> bytes:
        """The payload as the target reads it."""
        return self.transform(message.payload) if self.transform else message.payload

    def reverse(self) -> ContextMapping:
        """The mapping of the way back. Raises InvalidInput where two words become one, or a transformation has no reverse."""
        if (self.transform is None) != (self.transform_back is None):
            raise InvalidInput(f"The mapping from {self.source} to {self.target} transforms payloads one way only; declare the other.")
        for words in (self.aggregates, self.event_types):
            if len(set(words.values())) < len(words):
                raise InvalidInput(f"The mapping from {self.source} to {self.target} uses one word for two, so there is no way back.")
        return ContextMapping(
            source=self.target,
            target=self.source,
            aggregates={theirs: ours for ours, theirs in self.aggregates.items()},
            event_types={theirs: ours for ours, theirs in self.event_types.items()},
            transform=self.transform_back,
            transform_back=self.transform,
        )

    def _word(self, words: Mapping[str, str], word: str, what: str) -> str:
        if word not in words:
            raise NoMapping(source=self.source, target=self.target, missing=f"{what} {word}")
        return words[word]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interest:
    """A context that wants events of another; `*` wants those of every type. Raises InvalidInput."""

    target: str
    source: str
    event_type: str = "*"

    def __post_init__(self) -> None:
        if check_token(self.target, "a context") == check_token(self.source, "a context"):
            raise InvalidInput(f"{self.target} cannot be interested in its own events here; it has them.")
        if self.event_type != "*":
            check_token(self.event_type, "an event type")


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextBridge:
    """Who wants what, and how it is said. Raises InvalidInput where a way is declared twice."""

    mappings: Sequence[ContextMapping]
    interests: Sequence[Interest]
    _by_way: dict[tuple[str, str], ContextMapping] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        for mapping in self.mappings:
            way = (mapping.source, mapping.target)
            if way in self._by_way:
                raise InvalidInput(f"Two mappings lead from {way[0]} to {way[1]}; keep one.")
            self._by_way[way] = mapping

    def find_interested_contexts(self, source: str, event_type: str) -> tuple[str, ...]:
        """The contexts that want this event, each once, in the order of their declaration."""
        wanted = [one.target for one in self.interests if one.source == source and one.event_type in ("*", event_type)]
        return tuple(dict.fromkeys(wanted))

    def route_cross_context(self, message: NatsMessage) -> list[NatsMessage]:
        """The message in the words of every context that wants it; headers are kept, and one says where it came through.

        All are translated, or none: raises NoMapping where a context wants it and no mapping says how, InvalidSubject for another
        convention, and what a transformation raises.
        """
        parts = parse_subject(message.subject)
        found = [self.translate(message, target) for target in self.find_interested_contexts(parts.context, parts.event)]
        return [one for one in found if one is not None]

    def translate(self, message: NatsMessage, target: str) -> NatsMessage | None:
        """The message in the words of one context; None where it came through there. Raises as `route_cross_context`."""
        parts = parse_subject(message.subject)
        came_through = [*_contexts(message), parts.context]
        if target in came_through:
            return None
        return NatsMessage(
            subject=str(self.translate_subject(parts, target)),
            payload=self._mapping(parts, target).transform_event(message),
            headers={**message.headers, CAME_THROUGH: ",".join(came_through)},
        )

    def translate_subject(self, parts: ShortSubject, target: str) -> ShortSubject:
        """What an event of this kind is called in another context. Raises NoMapping."""
        mapping = self._mapping(parts, target)
        aggregate, event = mapping.map_aggregate(parts.aggregate), mapping.map_event_type(parts.event)
        return replace(parts, context=target, aggregate=aggregate, event=event)

    def _mapping(self, parts: ShortSubject, target: str) -> ContextMapping:
        mapping = self._by_way.get((parts.context, target))
        if mapping is None:
            raise NoMapping(source=parts.context, target=target, missing="anything")
        return mapping


def publishing(bridge: ContextBridge, connection: Connection) -> RouteHandler:
    """A handler for a router: it publishes what the bridge makes of a message, and answers with how many messages that were."""

    async def publish(message: NatsMessage, route: RoutePattern, /) -> bytes:
        translated = bridge.route_cross_context(message)
        for one in translated:
            await connection.publish(one.subject, one.payload, one.headers)
        return str(len(translated)).encode()

    return publish


def _contexts(message: NatsMessage) -> list[str]:
    return [context for context in message.headers.get(CAME_THROUGH, "").split(",") if context]
