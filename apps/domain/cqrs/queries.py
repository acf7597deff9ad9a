"""This module is queries as a domain declares them: a dataclass each, and the function that answers it from projections.

    ORDER_QUERIES = QuerySet(context="sales", type="order", queries=(query(OrdersOfCustomer, orders_of_customer),))
    DOMAIN = Domain(..., queries={ORDER.key: ORDER_QUERIES})

Whoever asks gets an acknowledgement and no more; the result is published for the query's correlation id (see `subscription`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from apps.persistence.encoding import Value
from apps.persistence.errors import EncodingError, InvalidInput, Unavailable
from apps.persistence.events import new_id
from apps.persistence.registry import Query
from apps.persistence.store import Connection, Store
from apps.persistence.work.answering import query_subject, read_acknowledgement, write_query

from .acknowledged import QueryAccepted, QueryAck, QueryRejected
from .commands import name_of
from .identity import CorrelationId
from .payload import read_payload, to_payload
from .shape import Shape, shape_of, words_of

Q = TypeVar("Q")
ACK_SECONDS = 5.0
_NOBODY = "503"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredQuery:
    """One query: `type` is the dataclass of its parameters."""

    name: str
    type: type[Any]
    answer: Callable[[Store, Any], Awaitable[Value]]

    @property
    def title(self) -> str:
        """The name as people read it."""
        return words_of(self.name)

    @property
    def hidden(self) -> frozenset[str]:
        """Every parameter is asked for."""
        return frozenset()

    @property
    def shape(self) -> Shape:
        """Its parameters; `help` is the docstring of its type."""
        return shape_of(self.type)


def query(type: type[Q], answer: Callable[[Store, Q], Awaitable[Value]], *, name: str = "") -> DeclaredQuery:
    """Declare a query. `answer` reads projections and changes nothing. The name is the type's: OrdersOfCustomer is orders_of_customer."""
    return DeclaredQuery(name=name or name_of(type), type=type, answer=answer)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuerySet:
    """All queries about one aggregate type; it is the handler that a domain registers under `(context, type)`."""

    context: str
    type: str
    queries: Sequence[DeclaredQuery]

    def find(self, name: str) -> DeclaredQuery:
        """The query of this name. Raises InvalidInput."""
        for one in self.queries:
            if one.name == name:
                return one
        known = ", ".join(one.name for one in self.queries)
        raise InvalidInput(f"{self.context}.{self.type} knows no query {name!r}; it knows {known}.")

    def check(self, asked: Query) -> None:
        """Raises InvalidInput where there is no such query, or InvalidFields with what is wrong in its parameters."""
        read_payload(self.find(asked.name).type, dict(asked.parameters))

    async def answer(self, store: Store, asked: Query) -> Value:
        """The result. Raises what the domain's function raises."""
        declared = self.find(asked.name)
        return await declared.answer(store, read_payload(declared.type, dict(asked.parameters)))


def new_query(declared: Any, about: tuple[str, str], *, actor: str, name: str = "", correlation: CorrelationId | None = None) -> Query:
    """The query that a dataclass stands for, about a `(context, aggregate type)`, with ids of its own where none are given."""
    context, type_ = about
    story = correlation or CorrelationId.new()
    return Query(
        id=new_id(),
        context=context,
        type=type_,
        name=name or name_of(type(declared)),
        parameters=to_payload(declared),
        actor=actor,
        correlation=story.text,
    )


async def ask_query(connection: Connection, asked: Query, *, timeout_seconds: float = ACK_SECONDS) -> QueryAck:
    """Ask, and return the acknowledgement: accepted, or rejected with the reason. Listen for the result before.

    Raises Unavailable where no worker is at work, or none answers in time.
    """
    try:
        subject, body = query_subject(asked), write_query(asked)
    except (InvalidInput, EncodingError) as error:
        return QueryRejected(query_id=asked.id, reason=str(error))
    reply = await connection.request(subject, body, timeout=timeout_seconds)
    if reply.status == _NOBODY:
        raise Unavailable(f"No worker is at work, so {asked.name} cannot be answered. Start one with: python3 run.py worker.")
    reason = read_acknowledgement(reply.data)
    return QueryRejected(query_id=asked.id, reason=reason) if reason else QueryAccepted(query_id=asked.id)
