"""This package is commands and queries: declared as data, acknowledged and no more, their results only by events.

A domain declares a `CommandSet` for each aggregate type and registers it in `Domain.commands`; see `commands` for how, and `shape` for
the types that a command's fields may have.
"""

from .acknowledged import CommandAck, QueryAccepted, QueryAck, QueryRejected, find_ack
from .commands import CommandSet, DeclaredCommand, command, status_in_state
from .payload import InvalidFields, Problem, read_payload, to_payload
from .shape import Shape, shape_of

__all__ = [
    "CommandAck",
    "CommandSet",
    "DeclaredCommand",
    "InvalidFields",
    "Problem",
    "QueryAccepted",
    "QueryAck",
    "QueryRejected",
    "Shape",
    "command",
    "find_ack",
    "read_payload",
    "shape_of",
    "status_in_state",
    "to_payload",
]
