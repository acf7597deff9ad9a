"""This module is a signature by Ed25519 whose R has a part of small order, which only some verifiers take."""

from __future__ import annotations

from hashlib import sha512

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
BASE = (15112221349535400772501151409588531511454012693041857206046113283949847762202, 4 * pow(5, -1, P) % P)
OF_ORDER_2 = (0, P - 1)
Point = tuple[int, int]


def signed_with_small_order(message: bytes = b"x") -> tuple[bytes, bytes, bytes, bytes]:
    """A public key, the message, an honest signature over it, and the one that only some verifiers take."""
    secret, nonce = 2**254 + 8, 12345
    public, honest = _encoded(_times(secret, BASE)), _times(nonce, BASE)

    def signature(r: bytes) -> bytes:
        k = int.from_bytes(sha512(r + public + message).digest(), "little")
        return r + ((nonce + k * secret) % ORDER).to_bytes(32, "little")

    return public, message, signature(_encoded(honest)), signature(_encoded(_sum(honest, OF_ORDER_2)))


def _sum(one: Point, other: Point) -> Point:
    (x1, y1), (x2, y2) = one, other
    product = D * x1 * x2 * y1 * y2 % P
    return (x1 * y2 + x2 * y1) * pow(1 + product, -1, P) % P, (y1 * y2 + x1 * x2) * pow(1 - product, -1, P) % P


def _times(number: int, point: Point) -> Point:
    found = (0, 1)
    while number:
        found = _sum(found, point) if number & 1 else found
        point, number = _sum(point, point), number >> 1
    return found


def _encoded(point: Point) -> bytes:
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")
