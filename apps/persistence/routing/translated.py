"""This module is the stream CIM-CONTEXTS: what bridges have said again, kept for the contexts that want it, each event once.

A translated event lies under `cim.contexts.{target}.{source}.{aggregate}.{entity}.{event}.v{version}`, where aggregate and event are the
target's words, and entity and version those of the event that it was made of. So each has a subject of its own, as events have, and a
worker that was killed between storing it and saying so stores no second one.
"""

from __future__ import annotations

from ..errors import InvalidSubject, ServerRefused
from ..events import AggregateRef
from ..store import Connection, Outgoing, ensure_stream, get_last, store_message
from ..store.api_errors import SEQUENCE_IN_PROCESS, WRONG_LAST_SEQUENCE
from ..store.publish import EXPECTED_SEQUENCE, EXPECTED_SUBJECT
from ..subjects import ShortSubject
from .message import AGGREGATE, VERSION, NatsMessage

CONTEXTS_STREAM = "CIM-CONTEXTS"
CONTEXTS_ROOT = "cim.contexts"


async def ensure_contexts(connection: Connection) -> None:
    """Create the stream where it is missing: on file, without limits, so that a context may come late and read from the beginning."""
    await ensure_stream(
        connection,
        {
            "name": CONTEXTS_STREAM,
            "subjects": [f"{CONTEXTS_ROOT}.>"],
            "retention": "limits",
            "storage": "file",
            "allow_direct": True,
        },
    )


def subject_of(source: NatsMessage, translated: NatsMessage) -> str:
    """Where a translated event lies. Raises InvalidInput where the headers of the source do not say which event it is."""
    return _place(source, translated)[0]


async def store_translated(connection: Connection, source: NatsMessage, translated: NatsMessage) -> str:
    """Store what was made of an event, unless it is stored already, and return its subject. Raises as `store_message`."""
    subject, of_version = _place(source, translated)
    headers = {**translated.headers, EXPECTED_SEQUENCE: "0", EXPECTED_SUBJECT: of_version}
    try:
        await store_message(connection, Outgoing(subject, translated.payload, headers))
    except ServerRefused as error:
        if error.err_code not in (WRONG_LAST_SEQUENCE, SEQUENCE_IN_PROCESS):
            raise
        before = await get_last(connection, CONTEXTS_STREAM, of_version, leader=True)
        if before is None:
            raise
        return before.subject
    return subject


def _place(source: NatsMessage, translated: NatsMessage) -> tuple[str, str]:
    """The subject of a translated event, and the pattern of all that could be made of it."""
    said, asked = ShortSubject.parse(translated.subject), ShortSubject.parse(source.subject)
    version = source.headers.get(VERSION, "")
    entity = AggregateRef.parse(source.headers.get(AGGREGATE, "")).id
    if not version.isdigit():
        raise InvalidSubject(f"The message on {source.subject} has no version in its headers, so it is no event of a stream.")
    begin = f"{CONTEXTS_ROOT}.{said.context}.{asked.context}.{said.aggregate}.{entity}"
    return f"{begin}.{said.event}.v{version}", f"{begin}.*.v{version}"
