"""This module is the restore of a stream from a backup: the file is checked before anything is sent, and the stream before it counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from ..chain import RESTORED_FROM, restored_from
from ..encoding import Value
from ..errors import InvalidInput, OutOfSpace, ServerRefused, StreamNotFound
from ..registry import Registry
from ..store import Connection, Store, StreamInfo, get_stream
from ..store.stream_backup import begin_return, chunk_bytes
from ..transfer import BackupManifest, BackupReader, File, get_file, open_backup_file, open_file
from ..work.choices import files
from ..work.operation import Change, Outcome, Plan, Progress
from .create_stream import check_name, check_subjects_free
from .protection import OWN_PREFIXES, Act, check_allowed
from .restored import Found, verify_restored

_BUCKETS = ("KV_", "OBJ_")
_COPIES = ("mirror", "sources", "republish", "subject_transform")
RESTORED_BY = "cim-restored-by"
"""Under this name in its metadata a restored stream keeps the run that had it made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restore:
    """Makes a stream from a backup, with its messages, sequences and consumers, and verifies that it is what was backed up."""

    title: ClassVar[str] = "Restore a stream"
    permission: ClassVar[str] = "operations.restore"
    unit: ClassVar[str] = "bytes"

    file: str = field(metadata={"help": "A backup that was written here, or one that was brought here.", "choices": files})
    stream: str = field(
        default="",
        metadata={"help": "Another name than it had, to look at it beside what is there: it then takes nothing new. Empty: its own name."},
    )
    when_wrong: Literal["keep", "remove"] = field(
        default="keep", metadata={"help": "What becomes of the stream where it turns out not to be what was backed up."}
    )

    @property
    def target(self) -> str:
        """One restore at a time of each."""
        return f"restore/{self.stream or self.file}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """What would be made. Raises KeyNotFound, and InvalidInput for a file that is no backup or a name or subjects that are taken."""
        file = await get_file(store.connection, self.file)
        manifest = (await open_backup_file(open_file(store.connection, file))).manifest
        config = await self._check(store.connection, registry, manifest)
        name, subjects = config["name"], " ".join(config.get("subjects") or ())
        return Plan(
            summary=f"Restore {name} from {file.name}",
            saw={"SHA-256 of the file": file.stored.digest, "exists": False},
            changes=(
                Change(what=name, now="does not exist", after=f"as {manifest.stream} was on {manifest.at[:16].replace('T', ' ')} UTC"),
                Change(what="Messages", now="none", after=f"{manifest.messages:,}, up to sequence {manifest.last_sequence:,}"),
                Change(what="Subjects", now="free", after=subjects or "none of its own"),
                Change(what="Durable consumers", now="none", after=" ".join(manifest.durables) or "none"),
            ),
            counts=((file.name, file.stored.size),),
            notes=(
                f"It was backed up from {manifest.server} by {manifest.by}.",
                "First every byte of the file is checked; only then is the server sent any of it.",
                "Then the stream is verified: every event where it holds chains, else every message counted and its state compared.",
                *_notes_of(config, manifest),
            ),
            undo=f"Delete {name}.",
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Check the file, send it, verify the stream. An interrupted attempt begins again, unless the stream was whole already."""
        connection = store.connection
        file = await get_file(connection, self.file)
        size = file.stored.size
        manifest = await _check_file(connection, file, progress)
        if not await self._is_made(connection, manifest, progress):
            config = await self._check(connection, registry, manifest)
            await progress.report(size, 3 * size, checkpoint={"phase": "send"}, force=True)
            await _send(connection, file, _signed(config, manifest, progress.run_id), progress)
        name = self._name(manifest)
        progress.log(f"{name} is there; now it is verified")
        await progress.report(2 * size, 3 * size, checkpoint={"phase": "verify"}, force=True)

        async def on_part(part: float) -> None:
            await progress.report(2 * size + int(part * size), 3 * size)

        found = await verify_restored(store, registry, manifest, name, on_part)
        await self._judge(connection, name, found)
        await progress.report(3 * size, 3 * size, sequence=manifest.last_sequence, force=True)
        figures: dict[str, Value] = {
            "events": found.messages,
            "seconds": progress.seconds,
            "bytes": size,
            "stream": name,
            "file": file.name,
            "verified": found.how,
        }
        return Outcome(sentence=f"Restored {name} from {file.name} and verified it: {found.how}.", figures=figures)

    def leaves(self, why: str) -> str:
        """What is left of a restore that is not finished."""
        return "A stream is there only once the server has all of it; it is then not verified yet. Before that, nothing is left."

    def _name(self, manifest: BackupManifest) -> str:
        return self.stream or manifest.stream

    async def _check(self, connection: Connection, registry: Registry, manifest: BackupManifest) -> dict[str, Any]:
        """The configuration to restore with. Raises InvalidInput where this cannot be."""
        name = self._name(manifest)
        _check_not_own(name, manifest)
        check_allowed(registry, Act.CREATE, name)
        if name != manifest.stream:
            check_name(name, "stream")
            if manifest.stream.startswith(_BUCKETS):
                raise InvalidInput(f"stream is {name[:80]!r}, but a bucket can be restored only under its own name, {manifest.stream}.")
        if await find_there(connection, name) is not None:
            raise InvalidInput(f"There is a stream {name} already, and a restore never adds to one; delete it, or give another name.")
        config = _config(manifest, name)
        await check_subjects_free(connection, tuple(config.get("subjects") or ()), but=name)
        return config

    async def _is_made(self, connection: Connection, manifest: BackupManifest, progress: Progress) -> bool:
        """Whether an attempt before this one had the server make the stream."""
        if not progress.checkpoint:
            return False
        info = await find_there(connection, self._name(manifest))
        return info is not None and is_made_by(info, progress.run_id)

    async def _judge(self, connection: Connection, name: str, found: Found) -> None:
        """Raises InvalidInput where the stream is not what was backed up."""
        if not found.faults:
            return
        left = f"{name} was left as it is; look at it, then delete it."
        if self.when_wrong == "remove":
            await connection.api(f"STREAM.DELETE.{name}", stream=name, timeout=60)
            left = f"{name} was removed again."
        raise InvalidInput(f"{name} is not what was backed up: {'; '.join(found.faults)}. {left}")


def _check_not_own(name: str, manifest: BackupManifest) -> None:
    """Raises InvalidInput for what the console itself writes all the time, with the ways that there are."""
    if not name.startswith(OWN_PREFIXES):
        return
    by_hand = "To put it in its place, stop the console and bring back a copy of the server's data; docs/operating.md says how."
    if name.startswith(_BUCKETS):
        raise InvalidInput(f"{name} is the console's own bucket, which it writes all the time, so it is not restored here. {by_hand}")
    raise InvalidInput(
        f"{name} is a name of the console's own streams, which it writes all the time, so none is restored under it. Give stream another "
        f"name, such as RESTORED-{manifest.stream}, to look at what was backed up and verify it beside what is there. {by_hand}"
    )


async def find_there(connection: Connection, name: str) -> StreamInfo | None:
    """The stream, or None."""
    try:
        return await get_stream(connection, name)
    except StreamNotFound:
        return None


def is_made_by(info: StreamInfo, run_id: str) -> bool:
    """Whether this run had the server make the stream."""
    return bool((info.config.get("metadata") or {}).get(RESTORED_BY) == run_id)


async def _check_file(connection: Connection, file: File, progress: Progress) -> BackupManifest:
    """Read all of the file. Raises InvalidInput naming what is wrong with it; nothing was sent then."""
    reader = await _open(connection, file)
    done = 0
    try:
        async for chunk in reader.chunks():
            done += len(chunk)
            await progress.report(min(done, file.stored.size), 3 * file.stored.size)
    except InvalidInput as error:
        raise InvalidInput(f"{file.name} is damaged, and nothing was restored. {error}") from error
    progress.log(f"{file.name} is whole: {done:,} bytes of {reader.manifest.stream}")
    return reader.manifest


async def _send(connection: Connection, file: File, config: Mapping[str, Any], progress: Progress) -> None:
    """Send the file, checking it once more meanwhile. What the server has left of a stream that it could not make is removed."""
    reader = await _open(connection, file)
    size = done = file.stored.size
    back = await begin_return(connection, config, reader.manifest.state)
    try:
        async for chunk in reader.chunks():
            step = chunk_bytes(progress.limit)
            for start in range(0, len(chunk), step):
                piece = chunk[start : start + step]
                await back.send(piece)
                done += len(piece)
                await progress.report(min(done, 2 * size), 3 * size)
        await back.finish()
    except OutOfSpace:
        await _remove_rest(connection, str(config["name"]), progress.run_id)
        raise
    except ServerRefused as error:
        await _remove_rest(connection, str(config["name"]), progress.run_id)
        raise InvalidInput(f"The server could not restore {config['name']}, and nothing of it is left. {error}") from error


async def _remove_rest(connection: Connection, name: str, run_id: str) -> None:
    """The server may keep what it has read of a backup that it could not read to its end."""
    info = await find_there(connection, name)
    if info is not None and is_made_by(info, run_id):
        await connection.api(f"STREAM.DELETE.{name}", stream=name, timeout=60)


async def _open(connection: Connection, file: File) -> BackupReader:
    return await open_backup_file(open_file(connection, file))


def _config(manifest: BackupManifest, name: str) -> dict[str, Any]:
    """As it was; under another name it is a copy to look at, which takes nothing new."""
    if name == manifest.stream:
        return dict(manifest.config)
    rest = {key: value for key, value in manifest.config.items() if key not in _COPIES}
    return {**rest, "name": name, "subjects": [f"restored.{name}"]}


def _signed(config: Mapping[str, Any], manifest: BackupManifest, run_id: str) -> dict[str, Any]:
    """The configuration with the run in it, and of which streams records of removals are true of this one too."""
    metadata: dict[str, str] = config.get("metadata") or {}
    return {
        **config,
        "metadata": {**metadata, RESTORED_BY: run_id, RESTORED_FROM: restored_from(metadata, manifest.stream, manifest.created)},
    }


def _notes_of(config: Mapping[str, Any], manifest: BackupManifest) -> tuple[str, ...]:
    ages = f"Messages older than {config['max_age'] / 86_400e9:g} days expire at once, as max_age is set." if config.get("max_age") else ""
    beside = ""
    if config["name"] != manifest.stream:
        beside = f"Messages keep their subjects, but only restored.{config['name']} would be stored in it from now on."
    return tuple(note for note in (ages, beside) if note)
