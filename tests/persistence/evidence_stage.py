"""This module is a signed log to take evidence from, and what a forger does with a finished file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from apps.persistence.content import cid_of_bytes
from apps.persistence.encoding import Cid, cid_of, decode, encode
from apps.persistence.log import Checkpoint, SigningKey, cosign, open_checkpoint, parse_note
from apps.persistence.log.published import publish_checkpoint, publish_keys, read_published
from apps.persistence.log.signer import open_signer_folder
from apps.persistence.store import Message, read_batch
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.transfer.car import write_header, write_section
from apps.persistence.transfer.evidence import Chosen, Evidence, make_evidence
from apps.persistence.transfer.evidence_verifier import REFUSED, read_car, verify

from .made_evidence import WITNESS_TIME
from .signing_stage import SigningStage, open_signing_stage


@asynccontextmanager
async def open_evidence_stage(server: EmbeddedServer, folder: Path) -> AsyncIterator[SigningStage]:
    """A stream of twenty-four events in three chains, whose log is signed."""
    async with open_signing_stage(server, folder) as opened:
        await opened.write()
        await sign_anew(opened)
        yield opened


async def sign_anew(stage: SigningStage) -> Checkpoint:
    """Sign what was logged, and publish the keys."""
    with stage.signer() as signer:
        checkpoint = await stage.sign(signer)
    await publish(stage)
    return checkpoint


async def publish(stage: SigningStage, witnesses: Sequence[SigningKey] = ()) -> None:
    with open_signer_folder(stage.folder) as folder:
        await publish_keys(stage.connection, folder.database.vkeys(), [key.verifier.vkey for key in witnesses])


async def have_seen(stage: SigningStage, *witnesses: SigningKey) -> None:
    """Publish the newest checkpoint again with cosignatures of these witnesses."""
    found = await read_published(stage.connection, stage.stream, leader=True)
    assert found is not None
    with open_signer_folder(stage.folder) as folder:
        keys = [folder.key.verifier.named(f"{folder.key.name}/{stage.stream}")]
    checkpoint = open_checkpoint(found.note, keys).checkpoint
    note = parse_note(found.note).with_signatures(*(cosign(checkpoint, key, at=WITNESS_TIME) for key in witnesses))
    await publish_checkpoint(stage.connection, stage.stream, note.raw, revision=found.revision)


def vkey_of(stage: SigningStage) -> str:
    """The key as the signer said it for the whole installation."""
    with open_signer_folder(stage.folder) as folder:
        return str(folder.database.vkeys()[0][0])


async def messages_of(stage: SigningStage) -> list[Message]:
    return list((await read_batch(stage.raw.store.connection, stage.stream, limit=100)).messages)


async def evidence_of(stage: SigningStage, messages: Sequence[Message], *, since: str = "") -> Evidence:
    chosen = Chosen(stream=stage.stream, messages=messages, since=since)
    return await make_evidence(stage.raw.store.connection, [chosen], by="vera", reason="the audit", about="some events")


# -- the forger -------------------------------------------------------------------------------------------------------------------------


def taken_apart(data: bytes) -> tuple[Any, dict[bytes, bytes]]:
    """The manifest of a file, and its other blocks."""
    root, blocks = read_car(data)
    return decode(blocks.pop(root)), blocks


def packed(manifest: Any, blocks: dict[bytes, bytes]) -> bytes:
    """A file with another manifest around the same blocks, as a forger makes it."""
    root = encode(manifest)
    parts = [write_header([cid_of(root)]), write_section(cid_of(root), root)]
    return b"".join([*parts, *(write_section(Cid(bytes(cid)), data) for cid, data in blocks.items())])


def with_file(data: bytes, suffix: str, change: Callable[[bytes], bytes]) -> bytes:
    """The file with another plain file in the place of the one whose name ends so, and every CID right."""
    manifest, blocks = taken_apart(data)
    old = next(one["cid"] for one in manifest["files"] if one["name"].endswith(suffix))
    new = cid_of_bytes(change(blocks[old.raw]))
    changed = {(new.raw if cid == old.raw else cid): (change(block) if cid == old.raw else block) for cid, block in blocks.items()}
    return packed(_replaced(manifest, old, new), changed)


def refusal(data: bytes, vkeys: Sequence[str] = (), policy: str | None = None, changes: Sequence[str] = ()) -> str:
    """What the verifier says is wrong; empty where it finds the file intact."""
    try:
        verify(data, vkeys, policy, changes)
    except REFUSED as error:
        return str(error) or type(error).__name__
    return ""


def _replaced(value: Any, old: Cid, new: Cid) -> Any:
    if isinstance(value, dict):
        return {key: _replaced(one, old, new) for key, one in value.items()}
    if isinstance(value, list):
        return [_replaced(one, old, new) for one in value]
    return new if value == old else value
