"""This package is commands and queries: declared as data, acknowledged and no more, their results only by events.

A domain declares a `CommandSet` and a `QuerySet` for each aggregate type and registers them in `Domain.commands` and `Domain.queries`; see
`commands` and `queries` for how, and `shape` for the types that fields may have. `submit` and `ask_query` send them, and an
`EventStreamSubscription` hears what comes of it. `testing` has given-when-then for a user's own aggregates.
"""

from .acknowledged import CommandAck, QueryAccepted, QueryAck, QueryRejected, find_ack
from .commands import CommandSet, DeclaredCommand, command, status_in_state
from .identity import CorrelationId
from .payload import InvalidFields, Problem, read_payload, to_payload
from .publishing import CapturingEventPublisher, EventPublisher, NatsEventPublisher, Published
from .queries import DeclaredQuery, QuerySet, ask_query, new_query, query
from .sending import Accepted, Rejected, Unanswered, new_command, submit
from .shape import Shape, shape_of
from .subscription import EventStreamSubscription

__all__ = [
    "Accepted",
    "CapturingEventPublisher",
    "CommandAck",
    "CommandSet",
    "CorrelationId",
    "DeclaredCommand",
    "DeclaredQuery",
    "EventPublisher",
    "EventStreamSubscription",
    "InvalidFields",
    "NatsEventPublisher",
    "Problem",
    "Published",
    "QueryAccepted",
    "QueryAck",
    "QueryRejected",
    "QuerySet",
    "Rejected",
    "Shape",
    "Unanswered",
    "ask_query",
    "command",
    "find_ack",
    "new_command",
    "new_query",
    "query",
    "read_payload",
    "shape_of",
    "status_in_state",
    "submit",
    "to_payload",
]
