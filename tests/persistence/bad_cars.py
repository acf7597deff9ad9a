"""This module is CARs that are wrong in one way each, made of one that is right."""

from __future__ import annotations

from apps.persistence.encoding import Cid, cid_of, encode
from apps.persistence.transfer.car import write_header, write_section

STRANGE = Cid(bytes([1, 0x71, 0x13, 2, 0, 0]))
"""A CID whose hash nobody here can check."""


def bad_cars(right: bytes) -> dict[str, bytes]:
    """Wrong ones by what is wrong; `right` has one root, which is its first block."""
    header, rest = right[: right[0] + 1], right[right[0] + 1 :]
    root_end = _end_of_section(rest, 0)
    root, others = rest[:root_end], rest[root_end:]
    last = others[_start_of_last(others) :]
    return {
        "empty": b"",
        "header cut off": right[:20],
        "header of length 0": b"\0" + right[1:],
        "header that is none": b"\x03abc",
        "header of a CARv2": bytes.fromhex("0aa16776657273696f6e02") + right,
        "header without roots": _with_header({"version": 1}) + rest,
        "header of another version": _with_header({"roots": [cid_of(b"")], "version": 3}) + rest,
        "section cut off": right[:-1],
        "length cut off": right + b"\x80",
        "length of ten bytes": right + b"\xff" * 9 + b"\x01",
        "length beyond 2^63": right + b"\x80" * 9 + b"\x02",
        "length of 2^62": right + b"\x80" * 8 + b"\x40",
        "length not in its shortest form": right + bytes([last[0] | 0x80, 0]) if last[0] < 0x80 else _lengthened(right, last),
        "section of length 0": right + b"\0",
        "padded with zeros": right + bytes(64),
        "block of length 0": right + write_section(cid_of(b""), b""),
        "wrong hash": right[:-1] + bytes([right[-1] ^ 1]),
        "a hash that cannot be checked": right + b"\x06" + STRANGE.raw,
        "section without a CID": right + b"\x02\x05\x05",
        "two roots": write_header([_cid_in(root), _cid_in(last)]) + rest,
        "no root": write_header([]) + rest,
        "root that is not there": header + others,
        "block twice": right + last,
        "blocks changed over": header + root + last[:1] + last[1:] + others[: -len(last)],
    }


def _with_header(value: dict[str, object]) -> bytes:
    header = encode(value)  # type: ignore[arg-type]
    return bytes([len(header)]) + header


def _lengthened(right: bytes, last: bytes) -> bytes:
    """The last section's length of two bytes written in three."""
    return right[: -len(last)] + bytes([last[0], last[1] | 0x80, 0]) + last[2:]


def _length_at(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        number |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 0x80:
            return number, at


def _end_of_section(data: bytes, at: int) -> int:
    length, start = _length_at(data, at)
    return start + length


def _start_of_last(data: bytes) -> int:
    at = 0
    while (end := _end_of_section(data, at)) < len(data):
        at = end
    return at


def _cid_in(section: bytes) -> Cid:
    _, start = _length_at(section, 0)
    return Cid(section[start : start + 36])
