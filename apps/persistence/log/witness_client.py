"""This module is asking a witness to cosign: with the proof that leads from what it has seen last, and a check of what it answers."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from datetime import datetime
from http.client import HTTPException
from urllib.parse import quote, urlsplit

from ..errors import HistoryRewritten, InvalidInput, Unavailable
from ..store import Connection
from .checkpoints import Checkpoint, parse_checkpoint, verify_note
from .kept import prove_consistency
from .keys import KeyKind, VerifierKey
from .notes import MAX_NOTE_BYTES, Note, Signature, parse_note
from .witnessing import Request

ASK_SECONDS = 10
_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Witnessed:
    """The newest checkpoint that a witness has seen of a log, by its own signature, made at `at`."""

    checkpoint: Checkpoint
    at: datetime
    note: Note


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessClient:
    """One witness: where it is, and the key that it was said to have. It remembers what the witness has seen of each log."""

    url: str
    key: VerifierKey
    _seen: dict[str, int] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> WitnessClient:
        """The witness in `URL VKEY`. Raises InvalidInput."""
        url, _, vkey = text.partition(" ")
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname or not vkey:
            raise InvalidInput(f"{text[:120]!r} names no witness; write its address, a space and its vkey, as it says them when it starts.")
        key = VerifierKey.parse(vkey.strip())
        if key.kind is not KeyKind.WITNESS:
            raise InvalidInput(f"{key.vkey} is no key of a witness; it says its own when it starts.")
        return cls(url=url.rstrip("/"), key=key)

    async def cosign(self, connection: Connection, stream: str, raw: bytes) -> Signature:
        """The witness's signature on a checkpoint of this stream's log.

        Raises HistoryRewritten where it has seen more, or another log of that size; InvalidInput where it refuses or answers what does
        not hold; Unavailable while it is away.
        """
        note = parse_note(raw)
        checkpoint = parse_checkpoint(note.text)
        for _ in range(_TRIES):
            old = self._seen.get(checkpoint.origin, 0)
            proof: list[bytes] = []
            if 0 < old < checkpoint.size:
                proof = await prove_consistency(connection, stream, old_size=old, new_size=checkpoint.size)
            asked = Request(old_size=old, proof=tuple(proof), note=raw)
            status, answer = await asyncio.to_thread(_ask, f"{self.url}/add-checkpoint", asked.raw)
            if status == 200:
                self._seen[checkpoint.origin] = checkpoint.size
                return self._checked(note, answer)
            if status != 409:
                raise InvalidInput(f"The witness {self.key.name} refuses the checkpoint of {stream} ({status}): {_shown(answer)}")
            self._seen[checkpoint.origin] = _seen_size(answer, old, checkpoint.size, self.key.name, stream)
        raise Unavailable(f"The witness {self.key.name} gives another size each time it is asked; see whether two signers ask it.")

    async def newest(self, origin: str) -> Witnessed | None:
        """What the witness has seen last of a log; None where it saw nothing. Raises Unavailable, InvalidInput as `cosign`."""
        status, answer = await asyncio.to_thread(_ask, f"{self.url}/newest?origin={quote(origin, safe='')}")
        if status == 404:
            return None
        if status != 200:
            raise Unavailable(f"The witness {self.key.name} does not say what it has seen of {origin} ({status}): {_shown(answer)}")
        try:
            note = parse_note(answer)
            checkpoint = parse_checkpoint(note.text)
            signed = verify_note(note, [self.key])
        except InvalidInput as error:
            raise InvalidInput(f"The witness {self.key.name} answers what is no cosigned checkpoint: {error}") from error
        if not signed or signed[0].time is None:
            raise InvalidInput(f"The witness at {self.url} signs by another key than {self.key.vkey}; correct CIM_WITNESS.")
        if checkpoint.origin != origin:
            raise InvalidInput(f"The witness {self.key.name} was asked about {origin} and answers about {checkpoint.origin[:120]}.")
        return Witnessed(checkpoint=checkpoint, at=signed[0].time, note=note)

    def _checked(self, note: Note, answer: bytes) -> Signature:
        """The signature in an answer, once it holds for exactly this text by exactly this witness's key."""
        try:
            found = parse_note(note.text.encode() + b"\n" + answer)
        except InvalidInput as error:
            raise InvalidInput(f"The witness {self.key.name} answers what is no signature: {error}") from error
        if not verify_note(found, [self.key]):
            raise InvalidInput(f"The witness at {self.url} signs by another key than {self.key.vkey}; correct CIM_WITNESS.")
        return next(one for one in found.signatures if (one.name, one.key_id) == (self.key.name, self.key.key_id))


def _seen_size(answer: bytes, old: int, size: int, name: str, stream: str) -> int:
    """Which size the witness says that it has seen. Raises HistoryRewritten where no proof can lead from there to here."""
    text = answer.decode("ascii", errors="replace").strip()
    if not (text.isascii() and text.isdigit()) or len(text) > 19:
        raise InvalidInput(f"The witness {name} answers 409 and no size but {_shown(answer)}.")
    seen = int(text)
    if seen > size:
        raise HistoryRewritten(f"The witness {name} has seen {seen:,} events of {stream}, and only {size:,} are to be signed: rolled back.")
    if seen == old:
        raise HistoryRewritten(
            f"The witness {name} has seen another history of {stream} with {seen:,} events; one of the two was rewritten."
        )
    return seen


def _ask(url: str, body: bytes | None = None) -> tuple[int, bytes]:
    """Status and body of the answer to a POST, without a body to a GET. Raises Unavailable where there is none."""
    headers = {"Content-Type": "application/octet-stream"} if body is not None else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=body, headers=headers), timeout=ASK_SECONDS) as answer:
            return answer.status, answer.read(MAX_NOTE_BYTES)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(MAX_NOTE_BYTES)
    except (OSError, HTTPException) as error:
        raise Unavailable(f"The witness at {url.partition('?')[0]} does not answer: {error}.") from error


def _shown(answer: bytes) -> str:
    return repr(answer.decode(errors="replace").strip()[:200])
