"""This module is streams for the verification in a browser: written and signed as they should be, then made anew with something changed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from apps.persistence.encoding import cid_of
from apps.persistence.errors import RevisionConflict
from apps.persistence.events import AggregateRef, Event
from apps.persistence.log.checkpoints import cosign, parse_checkpoint
from apps.persistence.log.feeding import LogFeeder
from apps.persistence.log.kept import ensure_log, read_log
from apps.persistence.log.keys import KeyKind, SigningKey
from apps.persistence.log.notes import parse_note
from apps.persistence.log.published import ensure_checkpoints, publish_checkpoint, publish_keys, read_published
from apps.persistence.log.signer import open_signer_folder
from apps.persistence.log.signing import Signer
from apps.persistence.store import EVENTS, Layout, Outgoing, Store, ensure_stream, get_stream, store_batch
from tests.persistence.raw_stream import edited, interleave, make_chain, outgoing, with_bytes

from .running_console import RunningConsole

WITNESS = SigningKey.generate("witness.example", KeyKind.WITNESS)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofStage:
    """A console, and the folder of the signer that signs its streams."""

    console: RunningConsole
    folder: Path

    @property
    def vkey(self) -> str:
        """The key of the log, as its signer prints it."""
        with open_signer_folder(self.folder) as opened:
            return opened.key.verifier.vkey

    def write(self, number: int, events: Sequence[Event]) -> str:
        """Events in the generation of this number, logged, signed and witnessed; the stream's name."""
        layout = EVENTS.of_generation(number)
        self.console.do(lambda store: _write(store, layout, [outgoing(layout, event) for event in events]))
        self.console.do(lambda store: _sign(store, layout.stream, self.folder))
        return layout.stream

    def forge(self, number: int, events: Sequence[Event], sequence: int) -> str:
        """Make the stream anew with another payload at one sequence, as somebody with every right on the server can; the new CID."""
        layout = EVENTS.of_generation(number)
        messages = [outgoing(layout, event) for event in events]
        forged = edited(events[sequence - 1])
        messages[sequence - 1] = with_bytes(messages[sequence - 1], forged)

        async def make_anew(store: Store) -> None:
            await store.connection.api(f"STREAM.DELETE.{layout.stream}")
            await _write(store, layout, messages)

        self.console.do(make_anew)
        return str(cid_of(forged))


def some_events(count: int) -> list[Event]:
    """Three aggregates of so many events each, in turn."""
    return interleave(*(make_chain(AggregateRef("sales", "order", f"o-{uuid4().hex[:8]}"), count) for _ in range(3)))


async def _write(store: Store, layout: Layout, messages: Sequence[Outgoing]) -> None:
    config = {"name": layout.stream, "subjects": [layout.subjects], "storage": "memory", "allow_direct": True, "allow_atomic": True}
    await ensure_stream(store.connection, config)
    await store_batch(store.connection, list(messages))


async def _sign(store: Store, stream: str, folder: Path) -> None:
    connection = store.connection
    await ensure_log(connection)
    await ensure_checkpoints(connection)
    last = (await get_stream(connection, stream)).last_sequence
    while (state := await read_log(connection, stream)) is None or state.size < last:
        with suppress(RevisionConflict):  # the worker may be feeding it, too
            await LogFeeder(connection, stream).feed()
    with open_signer_folder(folder) as opened:
        await publish_keys(connection, opened.database.vkeys(), [WITNESS.verifier.vkey])
        await Signer(connection, opened.database, opened.key).look(stream)
    published = await read_published(connection, stream, leader=True)
    assert published is not None
    note = parse_note(published.note)
    seen = cosign(parse_checkpoint(note.text), WITNESS, at=datetime.now(UTC))
    await publish_checkpoint(connection, stream, note.with_signatures(seen).raw, revision=published.revision)
