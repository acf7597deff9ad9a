"""This module is what somebody with every right on the server does to a signed stream and to its log, for tests of the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from apps.persistence.chain import Verdict, verify_stream
from apps.persistence.encoding import cid_of
from apps.persistence.events import AggregateRef, Event
from apps.persistence.log.published import publish_keys
from apps.persistence.log.signer import SignerFolder
from apps.persistence.log.trust import NO_TRUST, Trust
from apps.persistence.store import Outgoing

from .raw_stream import edited, outgoing, renamed, three_chains
from .signing_stage import SigningStage

LENGTH = 24
FORGED = AggregateRef("sales", "order", "forged")


@pytest.fixture
async def messages(stage: SigningStage, folder: SignerFolder) -> list[Outgoing]:
    """Three chains of eight, logged and signed: version v of ORDER at 3v-2, of OTHER at 3v-1, of THIRD at 3v."""
    found = [outgoing(stage.raw.layout, event) for event in three_chains()]
    await stage.raw.put(*found)
    await stage.log()
    await sign(stage, folder)
    return found


async def sign(stage: SigningStage, folder: SignerFolder) -> None:
    await publish_keys(stage.connection, folder.database.vkeys())
    await stage.sign(stage.signer_of(folder))


async def put_instead(stage: SigningStage, messages: Sequence[Outgoing]) -> None:
    """Have the stream hold other messages, as somebody with every right on the server can."""
    await stage.made_anew()
    await stage.raw.put(*messages)


async def log_anew(stage: SigningStage) -> None:
    """Have the kept tree say what the stream says now."""
    await stage.forget_log()
    await stage.log()


async def verify(stage: SigningStage, trust: Trust = NO_TRUST) -> Verdict:
    return await verify_stream(stage.raw.store, trust=trust)


def relinked(messages: Sequence[Outgoing], start: int) -> list[Outgoing]:
    """The messages with the event at index `start` edited, and every later one of its aggregate linked to it again."""
    found = list(messages)
    first = Event.from_block(found[start].data)
    found[start] = renamed(found[start]._replace(data=edited(first)))
    previous = cid_of(found[start].data)
    for place in range(start + 1, len(found)):
        event = Event.from_block(found[place].data)
        if event.aggregate == first.aggregate:
            found[place] = renamed(found[place]._replace(data=replace(event, previous=previous).to_block()))
            previous = cid_of(found[place].data)
    return found


def without(messages: Sequence[Outgoing], index: int, layout_root: str) -> list[Outgoing]:
    """The messages without one, the later ones of its aggregate renumbered and linked again."""
    gone = Event.from_block(messages[index].data)
    kept = [message for place, message in enumerate(messages) if place != index]
    previous = gone.previous
    for place in range(index, len(kept)):
        event = Event.from_block(kept[place].data)
        if event.aggregate == gone.aggregate:
            moved = replace(event, version=event.version - 1, previous=previous)
            subject = f"{layout_root}.{event.aggregate}.{event.type}.v{moved.version}"
            kept[place] = renamed(kept[place]._replace(subject=subject, data=moved.to_block()))
            previous = cid_of(kept[place].data)
    return kept
