"""This module is what static/js/proof is held against: random blocks and notes, most of them damaged, and what Python says of them."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

from apps.persistence.encoding import Cid, Value, cid_of, decode, encode
from apps.persistence.errors import EncodingError, InvalidEvent, InvalidInput
from apps.persistence.events import AggregateRef, Event, Scope, new_id
from apps.persistence.log import Checkpoint, KeyKind, SigningKey, VerifierKey, cosign, open_checkpoint, sign_checkpoint

AT = datetime(2026, 11, 21, 10, 40, 31, 904218, tzinfo=UTC)
FRAGMENTS = [bytes([byte]) for byte in bytes.fromhex("0017181b195f607f80a0bfd8f4f6f7fbff")]
FRAGMENTS += [bytes.fromhex(text) for text in ("fb8000000000000000", "fb7ff8000000000000", "fb3ff0000000000000", "f90000", "eda080")]
FRAGMENTS += [bytes.fromhex(text) for text in ("1bffffffffffffffff", "3bffffffffffffffff", "1b0020000000000000", "3b001fffffffffffff")]
FRAGMENTS += [bytes.fromhex(text) for text in ("efbbbf", "c080", "d82a4100")]
"""What is rare by chance: odd heads, floats, text that is not UTF-8, numbers at their limits, an empty link."""


def an_event(rng: random.Random) -> Event:
    version = rng.choice([1, 1, 2, 7, 2**40, 2**62])
    return Event(
        aggregate=AggregateRef("sales", "order", f"{rng.randrange(1000)}"),
        version=version,
        type="item_added",
        schema=1,
        id=new_id(),
        time=AT,
        actor=rng.choice(["web", "Zoë", "\ufeffbom"]),
        correlation=new_id(),
        causation=rng.choice([None, new_id()]),
        scope=rng.choice(list(Scope)),
        previous=None if version == 1 else cid_of(b"before"),
        payload={"some": a_value(rng, 0)},
        metadata={},
    )


def a_value(rng: random.Random, depth: int) -> Value:
    """Any value that a block may hold."""
    simple: list[Callable[[], Value]] = [
        lambda: None,
        lambda: rng.random() < 0.5,
        lambda: rng.choice([0, 23, 24, 255, 256, 2**32, 2**53 - 1, 2**53, 2**64 - 1, -1, -25, -(2**53), -(2**53) - 1, -(2**64)]),
        lambda: rng.choice([0.0, 1.0, -1.5, 1e300, 5e-324]),
        lambda: rng.choice(["", "sku", "Grüße", "𝄞 clef", "\ufeff", "\x00", "x" * rng.randrange(300)]),
        lambda: rng.randbytes(rng.choice([0, 1, 23, 24, 36, 300])),
        lambda: cid_of(rng.randbytes(4)),
        lambda: Cid(bytes([0x12, 32]) + rng.randbytes(32)),
        lambda: Cid(bytes([1, 0x55, 0x12, 32]) + rng.randbytes(32)),
    ]
    kind = rng.randrange(len(simple) + (4 if depth < 4 else 0))
    if kind < len(simple):
        return simple[kind]()
    if kind % 2:
        return [a_value(rng, depth + 1) for _ in range(rng.randrange(5))]
    return {rng.choice(["a", "b", "aa", "ab", "ä", "__proto__", "k" * 30]): a_value(rng, depth + 1) for _ in range(rng.randrange(5))}


def damaged(rng: random.Random, block: bytes) -> bytes:
    """A block with one or two changes, of a bit, a byte, a part that is cut out, doubled or put in."""
    for _ in range(rng.randrange(1, 3)):
        at = rng.randrange(len(block) + 1)
        end = min(len(block), at + rng.choice([1, 1, 2, 9]))
        flipped = bytes([block[at] ^ 1 << rng.randrange(8)]) if at < len(block) else b""
        part = rng.choice([flipped, flipped, b"", rng.choice(FRAGMENTS), block[at:end] * 2])
        block = block[:at] + part + block[end if rng.random() < 0.5 else at + 1 :]
    return block


ODD: list[dict[str, Any]] = [
    *({"time": text} for text in ("2024-02-29T00:00:00.000000Z", "2026-02-29T00:00:00.000000Z", "2026-04-31T00:00:00.000000Z")),
    *({"time": text} for text in ("2026-12-31T23:59:59.999999Z", "2026-13-01T00:00:00.000000Z", "2026-01-00T00:00:00.000000Z")),
    *({"time": text} for text in ("2026-01-01T24:00:00.000000Z", "2026-01-01T00:60:00.000000Z", "0999-01-01T00:00:00.000000Z")),
    *({"time": text} for text in ("2026-01-01T00:00:00.000Z", "2026-01-01T00:00:00.000000+00:00", "2026-01-01T00:00:00.000000Z\n", None)),
    *({"version": number} for number in (0, -1, 1.0, True, "1", 2**63 - 1, 2**63, 2**64 - 1)),
    *({"schema": number} for number in (0, 2, 1.0, False, 2**63 - 1, 2**63)),
    *({"type": text} for text in ("a.b", "", "x" * 128, "x" * 129, "item\n", "ä")),
    *({"id": text} for text in ("", "0190A7C8-0000-7000-8000-000000000000", "0190a7c8-0000-7000-8000-000000000000\n")),
    *({"correlation": None}, {"causation": ""}, {"actor": ""}, {"actor": 7}, {"scope": "world"}, {"scope": "leaf"}),
    *({"payload": []}, {"metadata": None}, {"more": 1}, {"previous": None, "version": 2}, {"previous": cid_of(b""), "version": 1}),
    *({"previous": cid_of(b"").raw, "version": 2}, {"previous": Cid(bytes([1, 0x55, 0x12, 32]) + bytes(32)), "version": 2}),
    *({"aggregate": {"context": "sales", "type": "order"}}, {"aggregate": {"context": "sales", "type": "order", "id": "1 2"}}),
]
"""What is put in the place of an event's fields: some of it may stand there, most of it may not."""


def odd_events(rng: random.Random) -> list[bytes]:
    """An event for each of the above."""
    return [encode(cast("dict[str, Value]", decode(an_event(rng).to_block())) | odd) for odd in ODD]


def some_blocks(rng: random.Random, count: int) -> list[bytes]:
    """Sound and damaged blocks, half of them made of events."""
    sound = [an_event(rng).to_block() if rng.random() < 0.5 else encode(a_value(rng, 0)) for _ in range(count - len(ODD))]
    return odd_events(rng) + [block if rng.random() < 0.1 else damaged(rng, block) for block in sound]


def judged(block: bytes) -> list[str]:
    """What Python reads in a block, and whether it is an event; what a browser must say as well."""
    try:
        value = decode(block)
    except EncodingError:
        return ["refused", "refused"]
    try:
        event = Event.from_block(block)
    except (EncodingError, InvalidEvent):
        return [said(value), "refused"]
    return [said(value), f"{event.aggregate} {event.version} {event.type} {'' if event.previous is None else event.previous}"]


def said(value: Any) -> str:
    """A value in one line of text, in which each type shows."""
    if type(value) is list:
        return f"[{','.join(map(said, value))}]"
    if type(value) is dict:
        return "{" + ",".join(f"{said(key)}:{said(item)}" for key, item in value.items()) + "}"
    if type(value) is float:
        return f"float {struct.pack('>d', value).hex()}"
    if type(value) is Cid:
        return f"link {value.raw.hex()}"
    if type(value) is bytes:
        return f"bytes {value.hex()}"
    if type(value) is str:
        return f"text {value.encode().hex()}"
    return json.dumps(value)


LOG = SigningKey.generate("cim/CIM-EVENTS", KeyKind.LOG)
WITNESS = SigningKey.generate("witness.example", KeyKind.WITNESS)


def a_note() -> bytes:
    """A checkpoint, signed and cosigned."""
    checkpoint = Checkpoint(origin=LOG.name, size=1204, root=bytes(range(32)))
    return sign_checkpoint(checkpoint, LOG).with_signatures(cosign(checkpoint, WITNESS, at=AT)).raw


def some_notes(rng: random.Random, count: int) -> list[bytes]:
    """The note above, damaged in many ways, some of which only change who is unknown."""
    whole = a_note()
    text, _, signatures = whole.decode().rpartition("\n\n")
    lines = signatures.splitlines()
    odd = [
        whole,
        whole.replace(b"\n", b"\r\n"),
        whole.replace(b"1204", b"01204"),
        whole.replace(b"1204", b"9223372036854775808"),
        f"{text}\n\n{lines[0]}\n{lines[0]}\n".encode(),
        f"{text}\n\n{lines[0]}\n{lines[1].replace('witness.example', 'somebody.else')}\n".encode(),
        f"{text}\n\n{lines[1]}\n".encode(),
        (f"{text}\n\n{lines[0]}\n" + "".join(f"{lines[1].replace('witness', f'w{number}')}\n" for number in range(16))).encode(),
        f"{text}\nextension\n\n{signatures}".encode(),
        whole.replace(b"cim/CIM-EVENTS", b"cim/CIM-OTHER"),
        sign_checkpoint(Checkpoint(origin=LOG.name, size=0, root=bytes(32)), LOG).raw,
        sign_checkpoint(Checkpoint(origin=LOG.name, size=2**60, root=bytes(32)), LOG).raw,
        sign_checkpoint(Checkpoint(origin=LOG.name, size=7, root=bytes(32)), SigningKey.generate(LOG.name, KeyKind.LOG)).raw,
    ]
    return odd + [damaged(rng, whole) for _ in range(count - len(odd))]


def known_keys() -> list[VerifierKey]:
    return [LOG.verifier, WITNESS.verifier]


def judged_note(raw: bytes) -> str:
    """What Python says of a checkpoint."""
    try:
        found = open_checkpoint(raw, known_keys(), origin=LOG.name)
    except InvalidInput:
        return "refused"
    times = [one.time.strftime("%Y-%m-%dT%H:%M:%S.000Z") for one in found.witnesses if one.time is not None]
    return f"{found.checkpoint.size} {found.checkpoint.root.hex()} {','.join(times)} {found.unknown}"
