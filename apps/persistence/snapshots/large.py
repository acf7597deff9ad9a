"""This module is states that are too large for a snapshot's own message: each a file of the object bucket `cim-states`, hashed when read.

A file is named by its aggregate and by the hash of the state's block, so a writer that was cut off is gone on with by the next one, and the
same state is not written twice. It is written before the snapshot that links to it, and removed after the last one that did: what is left
when a worker is killed between the two is a file that nothing links to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from blake3 import blake3

from ..encoding import Cid, cid_of, decode
from ..errors import ContentDamaged, KeyNotFound, ServerRefused, StreamNotFound
from ..events import AggregateRef, State
from ..store import Connection, delete_object, drop_chunks, ensure_object_bucket, find_object, open_writer, read_chunks
from ..store.api_errors import WRONG_LAST_SEQUENCE

STATES_BUCKET = "cim-states"
LARGEST_STATE_BYTES = 16 * 1024 * 1024
_TRIES = 20
_STEP = 512 * 1024


async def put_state(connection: Connection, ref: AggregateRef, block: bytes) -> Cid:
    """Keep the block of a state and return its CID. Raises OutOfSpace, Unavailable; the same call may be made again."""
    cid = cid_of(block)
    name = _name(ref, cid)
    await ensure_object_bucket(connection, STATES_BUCKET, description="States that are too large for a snapshot's own message")
    for attempt in range(1, _TRIES + 1):
        if await find_object(connection, STATES_BUCKET, name) is not None:
            return cid
        try:
            await _write(connection, name, block)
        except ServerRefused as error:
            if error.err_code != WRONG_LAST_SEQUENCE or attempt == _TRIES:
                raise
    return cid


async def read_state(connection: Connection, ref: AggregateRef, cid: Cid) -> State:
    """The state, hashed anew. Raises ContentDamaged where it is missing, not all there, or something else."""
    name = _name(ref, cid)
    try:
        stored = await find_object(connection, STATES_BUCKET, name)
    except StreamNotFound:
        stored = None
    if stored is None:
        raise ContentDamaged(f"the state {cid} is not in {STATES_BUCKET}.")
    block, position = bytearray(), 0
    while len(block) <= LARGEST_STATE_BYTES and (messages := await read_chunks(connection, stored, after=position)):
        position = messages[-1].sequence
        block += b"".join(message.data for message in messages)
    if cid_of(bytes(block)) != cid:
        raise ContentDamaged(f"what {STATES_BUCKET} holds as the state {cid} is something else ({len(block):,} bytes).")
    state = decode(bytes(block))
    if not isinstance(state, dict):
        raise ContentDamaged(f"the state {cid} is no map.")
    return state


async def drop_states(connection: Connection, ref: AggregateRef, cids: Iterable[Cid]) -> None:
    """Remove states of an aggregate that no snapshot links to any more; harmless where they are gone."""
    for cid in cids:
        try:
            await delete_object(connection, STATES_BUCKET, _name(ref, cid))
        except (KeyNotFound, StreamNotFound):
            continue


async def drop_all_states(connection: Connection) -> None:
    """Remove every state of every aggregate, and what interrupted writers left."""
    try:
        await connection.api(f"STREAM.PURGE.OBJ_{STATES_BUCKET}", stream=f"OBJ_{STATES_BUCKET}", timeout=60)
    except StreamNotFound:
        return


async def _write(connection: Connection, name: str, block: bytes) -> None:
    """Go on behind what is there of it. Raises ServerRefused where somebody else wrote at the same time."""
    writer = await open_writer(connection, STATES_BUCKET, name)
    if writer.size > len(block) or writer.digest != hashlib.sha256(block[: writer.size]).hexdigest():
        await drop_chunks(connection, STATES_BUCKET, name)
        writer = await open_writer(connection, STATES_BUCKET, name)
    for start in range(writer.size, len(block), _STEP):
        await writer.write(block[start : start + _STEP])
    await writer.finish(name, {})


def _name(ref: AggregateRef, cid: Cid) -> str:
    return f"{blake3(str(ref).encode()).hexdigest(16)}-{cid.raw[4:].hex()}"
