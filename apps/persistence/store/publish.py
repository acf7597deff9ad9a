"""This module is storing messages in a stream and having the server say so: one, or several as an atomic batch (ADR-50)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..errors import FeatureUnavailable, InvalidInput, ServerRefused, Unavailable
from ..events import new_id
from .api_errors import api_error
from .connection import REQUEST_SECONDS, Connection
from .link import Reply

MAX_BATCH = 1000
BATCH_NOT_ENABLED = 10174
BATCHES_SINCE = (2, 12)
"""An older server would store the messages one by one, so it must not be given any."""
EXPECTED_SEQUENCE = "Nats-Expected-Last-Subject-Sequence"
EXPECTED_SUBJECT = "Nats-Expected-Last-Subject-Sequence-Subject"
MESSAGE_ID = "Nats-Msg-Id"


class Outgoing(NamedTuple):
    """A message to be stored."""

    subject: str
    data: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PubAck:
    """The server's word that it is stored; of a batch, `sequence` is the last message's. `duplicate`: it was already there."""

    stream: str
    sequence: int
    duplicate: bool = False
    count: int = 1


async def store_message(connection: Connection, message: Outgoing, *, timeout: float = REQUEST_SECONDS) -> PubAck:
    """Store one message. Raises ServerRefused (a failed expectation among others), OutOfSpace or Unavailable (then it may be stored)."""
    reply = await connection.request(message.subject, message.data, message.headers or None, timeout=timeout)
    return _read_ack(reply, message.subject)


async def store_batch(connection: Connection, messages: Sequence[Outgoing], *, timeout: float = REQUEST_SECONDS) -> PubAck:
    """Store all of `messages` (1 to 1,000, one stream) or none. Raises as `store_message`; FeatureUnavailable where batches are off."""
    if not 1 <= len(messages) <= MAX_BATCH:
        raise InvalidInput(f"A batch of {len(messages):,} messages cannot be stored at once; 1 to {MAX_BATCH:,} can.")
    if not connection.server.at_least(*BATCHES_SINCE):
        raise FeatureUnavailable(
            f"nats-server {connection.server.version} knows no atomic batches, so nothing was stored; it needs 2.12 or newer."
        )
    batch = new_id()
    last = len(messages)
    await connection.publish_all(
        [(message.subject, message.data, _batched(message.headers, batch, number)) for number, message in enumerate(messages[:-1], start=1)]
    )
    final = messages[-1]
    headers = _batched(final.headers, batch, last) | {"Nats-Batch-Commit": "1"}
    reply = await connection.request(final.subject, final.data, headers, timeout=timeout)
    try:
        return _read_ack(reply, final.subject)
    except ServerRefused as error:
        if error.err_code == BATCH_NOT_ENABLED:
            raise FeatureUnavailable(
                f"The stream of {final.subject} does not take atomic batches; set allow_atomic on it (nats-server 2.12 or newer)."
            ) from error
        raise


def _batched(headers: Mapping[str, str], batch: str, number: int) -> dict[str, str]:
    return {**headers, "Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(number)}


def _read_ack(reply: Reply, subject: str) -> PubAck:
    if reply.status == "503":
        raise Unavailable(f"No stream takes {subject}: it does not exist, or has no leader at the moment. Retry, or create the stream.")
    answer: dict[str, Any] = json.loads(reply.data)
    if "error" in answer:
        raise api_error(answer["error"])
    return PubAck(stream=answer["stream"], sequence=answer["seq"], duplicate=answer.get("duplicate", False), count=answer.get("count", 1))
