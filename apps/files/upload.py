"""This module is taking a file that somebody brings: straight into the bucket of uploads, the only one that a web process may write to."""

from __future__ import annotations

import re
from collections.abc import Iterable

from django.core.files.uploadedfile import UploadedFile

from apps.connection import ask
from apps.persistence.store import ObjectWriter, Store, StoredObject, open_writer
from apps.persistence.transfer import UPLOADS_BUCKET, FileKind, Made, free_name, new_nuid

PIECE_BYTES = 512 * 1024
LONGEST_NAME = 120
_UNUSUAL = re.compile(r"[^-_=.a-zA-Z0-9]+|\.(?=\.)", re.ASCII)


def keep_upload(upload: UploadedFile, *, by: str) -> StoredObject:
    """Store the file under its own name, or one near it that is free. Raises Unavailable."""
    name = ask(_free_name, usual_name(upload.name or ""))
    writer = ask(_begin)
    for piece in _pieces(upload):
        ask(_write, writer, piece)
    return ask(_finish, writer, name, Made(kind=FileKind.UPLOAD, source=(upload.name or "")[:LONGEST_NAME], by=by))


def usual_name(name: str) -> str:
    """The name with a dash for everything that a file here cannot have in its name."""
    return _UNUSUAL.sub("-", name)[-LONGEST_NAME:].strip(".-") or "upload"


def _pieces(upload: UploadedFile) -> Iterable[bytes]:
    return upload.chunks(PIECE_BYTES)


async def _free_name(store: Store, wanted: str) -> str:
    return await free_name(store.connection, wanted)


async def _begin(store: Store) -> ObjectWriter:
    return await open_writer(store.connection, UPLOADS_BUCKET, new_nuid())


async def _write(_store: Store, writer: ObjectWriter, piece: bytes) -> None:
    await writer.write(piece)


async def _finish(_store: Store, writer: ObjectWriter, name: str, made: Made) -> StoredObject:
    return await writer.finish(name, made.metadata())
