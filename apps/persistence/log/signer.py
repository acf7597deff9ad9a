"""This module is the signer's process: its folder with key and database, the change of its key, and its endless round over all streams."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import Conflict, InvalidInput, LogIncomplete, PersistenceError
from ..store import Connection
from .answering import answer_questions
from .keys import KeyKind, SigningKey, read_key_file, write_key_file
from .leaves import Leaf
from .published import publish_keys, publish_refusal
from .rotation import sign_rotation
from .signed_database import SignedDatabase, open_signed_database
from .signing import Signer
from .witness_client import WitnessClient

LOOK_SECONDS = 1.0
REFUSED_SECONDS = 60.0
INCOMPLETE_SECONDS = 3.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerFolder:
    """What the signer keeps, on its own disk; nobody else reads it."""

    key: SigningKey
    database: SignedDatabase


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A stream whose log is to be signed, unless `why_not` says why it must not be.

    It rests on `grounds`, leaves of the stream `grounds_in`: as long as these are not signed themselves, it is not signed either.
    """

    stream: str
    why_not: str = ""
    grounds_in: str = ""
    grounds: tuple[Leaf, ...] = ()


FindCandidates = Callable[[], Awaitable[Sequence[Candidate]]]


@contextmanager
def open_signer_folder(folder: Path) -> Iterator[SignerFolder]:
    """The key and the database in a folder, both made where the folder is new.

    Raises InvalidInput where others can read the key, or it is not the one that signed last; Conflict where another signer is at work.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open_signed_database(folder / "signed.sqlite3") as database:
        yield SignerFolder(key=_key_in(folder, database), database=database)


def change_key(folder: Path) -> tuple[SigningKey, SigningKey]:
    """Make a new key, signed by the old one, which says what it signed last, and is removed then. Returns both.

    Raises as `open_signer_folder`.
    """
    with open_signer_folder(folder) as opened:
        new = SigningKey.generate(opened.key.name, KeyKind.LOG)
        write_key_file(_new_key_file(folder), new)
        opened.database.add_key(new.verifier.vkey, sign_rotation(opened.key, new, opened.database.checkpoints()).raw)
        _new_key_file(folder).replace(_key_file(folder))
        return opened.key, new


async def sign_logs(
    connection: Connection,
    opened: SignerFolder,
    find_candidates: FindCandidates,
    *,
    witness: WitnessClient | None = None,
    on_ready: Callable[[], None],
) -> None:
    """Sign the log of every stream that `find_candidates` names whenever it is due, and answer questions about it, until cancelled."""
    signer = Signer(connection, opened.database, opened.key, witness=witness)
    async with asyncio.TaskGroup() as group:
        group.create_task(answer_questions(connection, opened.database, opened.key, signer.find_difference), name="answers")
        group.create_task(_sign_all(connection, opened, signer, find_candidates, on_ready), name="signing")


async def _sign_all(
    connection: Connection,
    opened: SignerFolder,
    signer: Signer,
    find_candidates: FindCandidates,
    on_ready: Callable[[], None],
) -> None:
    """Publish the keys, then look at every stream, again and again."""
    refused: dict[str, _Refused] = {}
    is_published = False
    while True:
        publishing = publish_keys(connection, opened.database.vkeys(), signer.witness_vkeys, only_where_missing=is_published)
        is_done = await _attempt("the keys cannot be published yet", publishing)
        if is_published:
            await _attempt("this round is late", _round(connection, signer, find_candidates, refused))
        elif is_done:
            is_published = True
            log.info("signing as %s", opened.key.verifier.vkey)
            on_ready()
        await asyncio.sleep(LOOK_SECONDS if is_published else LOOK_SECONDS / 10)


async def sign_or_refuse(connection: Connection, signer: Signer, stream: str) -> str:
    """One look at one stream; where nothing may be signed, say why where people see it. The reason, empty where there is none."""
    return str(await _refusal(connection, signer, stream) or "")


async def _refusal(connection: Connection, signer: Signer, stream: str) -> PersistenceError | None:
    refusal: PersistenceError | None = None
    try:
        await signer.look(stream)
    except (Conflict, InvalidInput) as error:
        log.error("%s is not signed: %s", stream, error)
        signer.forget(stream)
        refusal = error
    await publish_refusal(connection, stream, str(refusal or ""))
    return refusal


@dataclass(slots=True)
class _Refused:
    """A stream that is not signed: why, and when it is looked at again."""

    reason: str
    until: float


async def _round(connection: Connection, signer: Signer, find_candidates: FindCandidates, refused: dict[str, _Refused]) -> None:
    """Look at each stream once. What is refused stays so for a minute, as a look then reads all of it; it stays said, also where somebody
    removes it. A kept log that is logged again is looked at within seconds, as that reads little until it is whole."""
    clock = asyncio.get_running_loop().time
    for candidate in await find_candidates():
        stream = candidate.stream
        if candidate.why_not:
            await _refuse(connection, signer, candidate, refused)
            continue
        if not signer.has_signed(candidate.grounds_in, candidate.grounds):
            continue
        known = refused.get(stream)
        if known is not None and clock() < known.until:
            await publish_refusal(connection, stream, known.reason)
            continue
        refused.pop(stream, None)
        if error := await _refusal(connection, signer, stream):
            seconds = INCOMPLETE_SECONDS if isinstance(error, LogIncomplete) else REFUSED_SECONDS
            refused[stream] = _Refused(reason=str(error), until=clock() + seconds)


async def _refuse(connection: Connection, signer: Signer, candidate: Candidate, refused: dict[str, _Refused]) -> None:
    """Say why a stream must not be signed; it is asked again in the next round whether that is still so."""
    stream, reason = candidate.stream, candidate.why_not
    if stream not in refused or refused[stream].reason != reason:
        log.error("%s is not signed: %s", stream, reason)
    signer.forget(stream)
    refused[stream] = _Refused(reason=reason, until=0.0)
    await publish_refusal(connection, stream, reason)


async def _attempt(what: str, work: Awaitable[None]) -> bool:
    try:
        await work
    except PersistenceError as error:
        log.warning("%s: %s", what, error)
        return False
    return True


def _key_in(folder: Path, database: SignedDatabase) -> SigningKey:
    """The key that signs now: the one that the database names last."""
    known = [vkey for vkey, _ in database.vkeys()]
    _finish_change(folder, known)
    path = _key_file(folder)
    if not path.exists():
        if known:
            raise InvalidInput(f"The key file {path} is gone, and {known[-1]} has signed; bring the file back.")
        write_key_file(path, SigningKey.generate(f"cim-{secrets.token_hex(4)}", KeyKind.LOG))
    key = read_key_file(path)
    if not known:
        database.add_key(key.verifier.vkey, b"")
    elif known[-1] != key.verifier.vkey:
        raise InvalidInput(f"The key file {path} holds {key.verifier.vkey}, and {known[-1]} signed last; bring that one back.")
    return key


def _finish_change(folder: Path, known: list[str]) -> None:
    """End a change of keys that was cut off: forward once the database knows the new key, else back."""
    new = _new_key_file(folder)
    if not new.exists():
        return
    if known and known[-1] == read_key_file(new).verifier.vkey:
        new.replace(_key_file(folder))
    else:
        new.unlink()


def _key_file(folder: Path) -> Path:
    return folder / "log.key"


def _new_key_file(folder: Path) -> Path:
    return folder / "log.key.new"
