"""One verdict over all layers: what was done to a stream and to its log is told apart, and the first bad sequence is named."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

import pytest

from apps.persistence.chain import Cause, Verdict, verify_stream
from apps.persistence.encoding import cid_of
from apps.persistence.events import Event
from apps.persistence.log.published import publish_keys
from apps.persistence.log.signer import SignerFolder, open_signer_folder
from apps.persistence.log.trust import Trust
from apps.persistence.store import Outgoing
from apps.persistence.store.embedded import EmbeddedServer

from .raw_stream import ORDER, edited, facts, outgoing, renamed, three_chains
from .signing_stage import SigningStage, open_signing_stage

LENGTH = 24


@pytest.fixture
async def stage(nats_server: EmbeddedServer, tmp_path: Path) -> AsyncIterator[SigningStage]:
    async with open_signing_stage(nats_server, tmp_path) as opened:
        yield opened


@pytest.fixture
def folder(stage: SigningStage) -> Iterator[SignerFolder]:
    with open_signer_folder(stage.folder) as opened:
        yield opened


@pytest.fixture
async def messages(stage: SigningStage, folder: SignerFolder) -> list[Outgoing]:
    """Three chains of eight, logged and signed: version v of ORDER at 3v-2, of OTHER at 3v-1."""
    found = [outgoing(stage.raw.layout, event) for event in three_chains()]
    await stage.raw.put(*found)
    await stage.log()
    await sign(stage, folder)
    return found


async def sign(stage: SigningStage, folder: SignerFolder) -> None:
    await publish_keys(stage.connection, folder.database.vkeys())
    await stage.sign(stage.signer_of(folder))


async def replace_by(stage: SigningStage, messages: Sequence[Outgoing]) -> None:
    """Have the stream hold other messages, as somebody with every right on the server can."""
    await stage.made_anew()
    await stage.raw.put(*messages)


async def verify(stage: SigningStage) -> Verdict:
    return await verify_stream(stage.raw.store, trust=Trust())


def relinked(messages: Sequence[Outgoing], start: int, change: Callable[[Event], bytes]) -> list[Outgoing]:
    """The messages with the event at index `start` changed, and every later one of its aggregate linked to it again."""
    found = list(messages)
    first = Event.from_block(found[start].data)
    found[start] = renamed(found[start]._replace(data=change(first)))
    previous = cid_of(found[start].data)
    for place in range(start + 1, len(found)):
        event = Event.from_block(found[place].data)
        if event.aggregate == first.aggregate:
            from dataclasses import replace

            found[place] = renamed(found[place]._replace(data=replace(event, previous=previous).to_block()))
            previous = cid_of(found[place].data)
    return found


async def test_untouched_stream_is_what_was_signed(stage: SigningStage, messages: list[Outgoing]) -> None:
    verdict = await verify(stage)

    assert (verdict.intact, verdict.intact_to, verdict.rests_on) == (True, LENGTH, None)
    assert verdict.log is not None
    assert [(one.source, one.size, one.holds) for one in verdict.log.held] == [("published", LENGTH, True)]
    assert "The first 24 sequences are exactly those that were signed" in verdict.proves[-1]


async def test_edited_event_is_one_finding(stage: SigningStage, messages: list[Outgoing]) -> None:
    messages[9] = messages[9]._replace(data=edited(Event.from_block(messages[9].data)))
    await replace_by(stage, messages)

    verdict = await verify(stage)

    assert facts(verdict) == [(Cause.CONTENT_CHANGED, ORDER, 4, 10)]
    assert verdict.intact_to == 9


async def test_rewritten_and_relinked_event_is_named_with_what_was_signed(stage: SigningStage, messages: list[Outgoing]) -> None:
    await replace_by(stage, relinked(messages, 9, edited))

    verdict = await verify(stage)

    assert facts(verdict) == [(Cause.HISTORY_REWRITTEN, ORDER, 4, 10)]
    assert verdict.findings[0].expected == str(cid_of(messages[9].data))
    assert verdict.rests_on is not None
    assert (verdict.rests_on.sequence, verdict.rests_on.events, verdict.rests_on.aggregates) == (10, 14, 3)


async def test_long_stream_with_wide_gaps_has_the_root_of_its_log(
    stage: SigningStage, folder: SignerFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.persistence.chain.logged.LEAVES_AT_ONCE", 512)
    for _ in range(3):
        await stage.write_many(1000)
    await stage.log()
    await sign(stage, folder)
    await stage.raw.store.connection.api(f"STREAM.PURGE.{stage.stream}", {"seq": 1301})

    verdict = await verify(stage)

    assert verdict.log is not None
    assert [(one.size, one.holds) for one in verdict.log.held] == [(3000, True)]
    assert {finding.cause for finding in verdict.findings} == {Cause.UNDECODABLE, Cause.MISSING}
