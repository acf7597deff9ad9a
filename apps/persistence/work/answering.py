"""This module is queries: asked in core NATS, acknowledged at once, answered from projections by one worker, the result published apart.

A query goes to `cim.queries.{context}.{aggregate}.{query}`; one worker of all takes it. Its reply is the acknowledgement alone: an empty
reason, or why there will be no result. The result follows under `cim.live.results.{correlation}`, to everybody who listens there.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import cast

from ..encoding import Value, decode, encode
from ..errors import EncodingError, InvalidInput, PersistenceError, Unavailable
from ..events import format_time, now
from ..events.identity import check_uuid
from ..registry import Query, QueryHandler, Registry
from ..store import Connection, CoreMessage, Store
from ..subjects import check_token

QUERIES_ROOT = "cim.queries"
RESULTS_ROOT = "cim.live.results"
GROUP = "cim-workers"
AT_ONCE = 8
ANSWER_SECONDS = 30.0
PATIENCE_SECONDS = 10.0
"""Nobody waits any more for the acknowledgement of a query that came longer ago."""

_FIELDS = frozenset({"id", "name", "parameters", "actor", "correlation"})

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryResult:
    """What is published for a query. `reason` says why there is no `result`; both belong to the story `correlation`."""

    query_id: str
    correlation: str
    name: str
    result: Value = None
    reason: str = ""


def query_subject(query: Query) -> str:
    """Where a query is asked. Raises InvalidInput for names that cannot stand in a subject."""
    tokens = (
        check_token(query.context, "a context"),
        check_token(query.type, "an aggregate type"),
        check_token(query.name, "a query's name"),
    )
    return ".".join((QUERIES_ROOT, *tokens))


def results_subject(correlation: str) -> str:
    """Where the results of a story are published; subscribe before asking."""
    return f"{RESULTS_ROOT}.{check_uuid(correlation, 'The correlation')}"


def write_query(query: Query) -> bytes:
    """The body of a query. Raises InvalidInput or EncodingError."""
    check_uuid(query.id, "The query's id")
    check_uuid(query.correlation, "The query's correlation")
    body: dict[str, Value] = {
        "id": query.id,
        "name": query.name,
        "parameters": query.parameters,
        "actor": query.actor,
        "correlation": query.correlation,
    }
    return encode(body)


def read_query(subject: str, data: bytes) -> Query:
    """The query in a message. Raises EncodingError or InvalidInput saying what is wrong with it."""
    tokens = subject.removeprefix(f"{QUERIES_ROOT}.").split(".")
    body = decode(data)
    if len(tokens) != 3 or not isinstance(body, dict) or body.keys() != _FIELDS or not isinstance(body["parameters"], dict):
        raise InvalidInput(f"{subject[:80]!r} holds no query; its subject is {QUERIES_ROOT}.context.aggregate.query.")
    if body["name"] != tokens[2]:
        raise InvalidInput(f"The query's body says {body['name']!r} and its subject {tokens[2]!r}; they must agree.")
    return Query(
        id=check_uuid(body["id"], "The query's id"),
        context=tokens[0],
        type=tokens[1],
        name=tokens[2],
        parameters=body["parameters"],
        actor=cast(str, body["actor"]),
        correlation=check_uuid(body["correlation"], "The query's correlation"),
    )


def read_acknowledgement(data: bytes) -> str:
    """The reason in a reply, empty where the query was accepted. Raises InvalidInput or EncodingError for anything else."""
    value = decode(data)
    if not isinstance(value, dict) or not isinstance(value.get("reason"), str):
        raise InvalidInput("The reply is no acknowledgement of a query.")
    return str(value["reason"])


def read_result(data: bytes) -> QueryResult:
    """The result in a message under `cim.live.results`. Raises InvalidInput or EncodingError for anything else."""
    value = decode(data)
    if not isinstance(value, dict) or not {"id", "correlation", "name", "reason", "result"} <= value.keys():
        raise InvalidInput("The message is no result of a query.")
    return QueryResult(
        query_id=str(value["id"]),
        correlation=str(value["correlation"]),
        name=str(value["name"]),
        result=value["result"],
        reason=str(value["reason"]),
    )


async def answer_queries(store: Store, registry: Registry) -> None:
    """Answer queries until cancelled; any number of workers share them."""
    waiting: asyncio.Queue[tuple[float, CoreMessage]] = asyncio.Queue()

    async def answer_one_after_the_other() -> None:
        while True:
            came, message = await waiting.get()
            if time.monotonic() - came < PATIENCE_SECONDS:
                await _answer(store, registry, message)

    def arrived(message: CoreMessage) -> None:
        waiting.put_nowait((time.monotonic(), message))

    async with store.connection.subscribe(f"{QUERIES_ROOT}.>", arrived, queue=GROUP), asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(answer_one_after_the_other())


async def _answer(store: Store, registry: Registry, message: CoreMessage) -> None:
    try:
        query, handler = _checked(registry, message)
    except (InvalidInput, EncodingError) as error:
        await _say(store.connection, message.reply, {"reason": str(error) or "The query cannot be answered."})
        return
    except Exception:
        log.exception("the check of %s failed", message.subject)
        await _say(store.connection, message.reply, {"reason": "The domain's own check failed; its worker has logged why."})
        return
    await _say(store.connection, message.reply, {"reason": ""})
    result, reason = await _result(store, handler, query)
    body: dict[str, Value] = {
        "id": query.id,
        "correlation": query.correlation,
        "name": query.name,
        "time": format_time(now()),
        "result": result,
        "reason": reason,
    }
    await _say(store.connection, results_subject(query.correlation), body)


def _checked(registry: Registry, message: CoreMessage) -> tuple[Query, QueryHandler]:
    query = read_query(message.subject, message.data)
    handler = registry.queries.get((query.context, query.type))
    if handler is None:
        raise InvalidInput(f"Nobody here answers queries about {query.context}.{query.type}; check CIM_DOMAINS on the workers.")
    handler.check(query)
    return query, handler


async def _result(store: Store, handler: QueryHandler, query: Query) -> tuple[Value, str]:
    """The result, or why there is none. What cannot be encoded or is too large is found here, not when it is sent."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            result = await handler.answer(store, query)
        size, limit = len(encode(result)), store.connection.server.max_payload - 1024
    except TimeoutError:
        return None, f"{query.name} was not answered within {ANSWER_SECONDS:g} s; ask for less."
    except PersistenceError as error:
        return None, str(error)
    except Exception:
        log.exception("the query %s of %s.%s failed", query.name, query.context, query.type)
        return None, f"{query.name} failed in the domain's own code; its worker has logged why."
    if size > limit:
        return None, f"The result is {size:,} bytes, and the server takes {limit:,}; ask for fewer."
    return result, ""


async def _say(connection: Connection, subject: str, body: dict[str, Value]) -> None:
    if not subject:
        return
    try:
        await connection.publish(subject, encode(body))
    except Unavailable as error:
        log.warning("what was to be said on %s was not: %s", subject, error)
