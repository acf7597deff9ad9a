"""This module is evidence made without a server: a log in memory, signed, perhaps witnessed, and the file over some of its events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from apps.persistence.encoding import cid_of
from apps.persistence.events import Event
from apps.persistence.log import KeyKind, SigningKey, TiledTree, cosign, leaf_bytes, open_checkpoint, sign_checkpoint, tiles_of_spans
from apps.persistence.log.checkpoints import Checkpoint, sign_text
from apps.persistence.log.kept import TileId
from apps.persistence.log.notes import Note
from apps.persistence.log.published import LogKeys, keys_from
from apps.persistence.log.rotation import sign_rotation
from apps.persistence.store import Layout, Message
from apps.persistence.transfer.evidence import Covered, Evidence, Proved, pack, spans_for
from apps.persistence.transfer.older_checkpoint import Older

from .raw_stream import three_chains

WITNESS_TIME = datetime(2026, 11, 21, 10, 40, 31, tzinfo=UTC)


def new_witness(name: str = "witness.example") -> SigningKey:
    return SigningKey.generate(name, KeyKind.WITNESS)


def first_rotation(old: SigningKey, new: SigningKey) -> bytes:
    """A change of keys as the first release wrote it, which does not say what the old one signed last."""
    text = f"{old.name}\nkey rotation v1\n{old.verifier.vkey}\n{new.verifier.vkey}\n"
    return Note(text=text, signatures=(sign_text(text, old), sign_text(text, new))).raw


@dataclass(slots=True, kw_only=True)
class MadeLog:
    """The log of one stream, all of whose events are given; `seen_by` have cosigned its checkpoint.

    `older_key` signed its first `older_size` leaves, then named `key`; None: in a note that does not say so.
    """

    layout: Layout = field(default_factory=lambda: Layout(stream="CIM-EVENTS"))
    events: Sequence[Event] = field(default_factory=three_chains)
    key: SigningKey = field(default_factory=lambda: SigningKey.generate("cim", KeyKind.LOG))
    older_key: SigningKey | None = None
    older_size: int | None = 0
    witnesses: Sequence[SigningKey] = ()
    seen_by: Sequence[SigningKey] = ()

    @property
    def stream(self) -> str:
        return self.layout.stream

    @property
    def vkey(self) -> str:
        return self.key.verifier.vkey

    @property
    def keys(self) -> LogKeys:
        """As they are published."""
        witnesses = [key.verifier for key in self.witnesses]
        if self.older_key is None:
            return keys_from(self.key.verifier, [], witnesses=witnesses)
        last = [self._checkpoint(self.messages()[: self.older_size])] if self.older_size else []
        note = first_rotation(self.older_key, self.key) if self.older_size is None else sign_rotation(self.older_key, self.key, last).raw
        return keys_from(self.older_key.verifier, [note], witnesses=witnesses)

    def messages(self) -> list[Message]:
        events = enumerate(self.events, 1)
        return [Message(self.stream, self.layout.subject(event), place, 0, b"", event.to_block()) for place, event in events]

    def proved(self, picked: slice = slice(None), *, since: int = 0, is_signed: bool = True) -> Proved:
        """What proves the events `picked`, and that the log goes on from its first `since` leaves, perhaps signed."""
        messages = self.messages()
        tiles = self._tiles(messages)
        covered = self._covered(messages)
        older = self._older(messages[:since], is_signed=is_signed) if since else None
        chosen = messages[picked]
        needed = tiles_of_spans(spans_for([message.sequence for message in chosen], len(messages), older))
        return Proved(covered=covered, messages=chosen, tiles={tile: tiles[tile] for tile in needed}, older=older)

    def evidence(self, picked: slice = slice(None), *, since: int = 0, is_signed: bool = True) -> Evidence:
        return pack([self.proved(picked, since=since, is_signed=is_signed)], by="vera", reason="the audit", about="some events")

    def _tree(self, messages: Sequence[Message]) -> TiledTree:
        tree = TiledTree()
        tree.append([leaf_bytes(message.sequence, cid_of(message.data)) for message in messages])
        return tree

    def _tiles(self, messages: Sequence[Message]) -> dict[TileId, bytes]:
        return dict(self._tree(messages).take_changed())

    def _checkpoint(self, messages: Sequence[Message]) -> Checkpoint:
        tree = self._tree(messages)
        return Checkpoint(origin=f"{self.key.name}/{self.stream}", size=tree.size, root=tree.root())

    def _covered(self, messages: Sequence[Message]) -> Covered:
        checkpoint = self._checkpoint(messages)
        note = sign_checkpoint(checkpoint, self.key.named(checkpoint.origin))
        note = note.with_signatures(*(cosign(checkpoint, key, at=WITNESS_TIME) for key in self.seen_by))
        signed = open_checkpoint(note.raw, self.keys.of(self.stream), origin=checkpoint.origin)
        return Covered(stream=self.stream, note=note.raw, signed=signed, keys=self.keys)

    def _older(self, messages: Sequence[Message], *, is_signed: bool) -> Older:
        checkpoint = self._checkpoint(messages)
        by = self.older_key if self.older_key and checkpoint.size <= (self.older_size or 0) else self.key
        note = sign_checkpoint(checkpoint, by.named(checkpoint.origin))
        return Older(text=note.raw.decode() if is_signed else checkpoint.text, size=checkpoint.size, root=checkpoint.root)


def change_of(log: MadeLog) -> str:
    """The note of the change to the log's key, as it is served."""
    return log.keys.changes[0].note.decode()


def before_the_change(log: MadeLog, size: int) -> bytes:
    """Evidence that was made under the log's older key alone, before it was changed."""
    assert log.older_key is not None
    return replace(log, key=log.older_key, older_key=None, events=log.events[:size]).evidence(slice(2, 9)).data


def signed_by_older_key(log: MadeLog, size: int, *, events: Sequence[Event] = ()) -> bytes:
    """Evidence under a checkpoint of so many leaves, perhaps of other events, that the log's older key signed; its keys as they are now."""
    assert log.older_key is not None
    proved = MadeLog(key=log.older_key, events=(events or log.events)[:size]).proved(slice(8, 9))
    return pack([replace(proved, covered=replace(proved.covered, keys=log.keys))], by="vera", reason="the audit").data
