"""This module is the sealed payload: what stands in a block in place of a payload that only the holder of a key may read.

`{"$sealed": {"algorithm", "key", "nonce", "ciphertext"}}` takes the payload's place. All other fields stay readable, and the block's CID is
that of the bytes with the ciphertext in them, so chains are verified without any key.

The nonce is not drawn but computed: the first 96 bits of a keyed BLAKE3 over what is sealed and where it belongs. The same event always
becomes the same bytes (an append that is sent again is recognised), and two different payloads never share a nonce, short of a collision
of 96 bits; one key seals the events of one aggregate only. Aggregate, event id, type and schema are authenticated with the payload.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import cast

from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from ..encoding import Value, decode, encode
from ..errors import PayloadUnreadable
from .block import Event

SEALED = "$sealed"
KEY_BYTES = 32
_FIELDS = frozenset({"algorithm", "key", "nonce", "ciphertext"})
_NONCE_BYTES = 12
_NONCE_CONTEXT = "cim-console 2026-11 nonces of sealed payloads"


class Algorithm(StrEnum):
    """How payloads are encrypted and authenticated; both take keys of 256 bits."""

    AES_256_GCM = "AES-256-GCM"
    CHACHA20_POLY1305 = "ChaCha20-Poly1305"


_CIPHERS: dict[Algorithm, Callable[[bytes], AESGCM | ChaCha20Poly1305]] = {
    Algorithm.AES_256_GCM: AESGCM,
    Algorithm.CHACHA20_POLY1305: ChaCha20Poly1305,
}
_KNOWN = frozenset(algorithm.value for algorithm in Algorithm)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A secret with the name by which sealed payloads refer to it."""

    id: str
    secret: bytes

    def __repr__(self) -> str:
        return f"Key(id={self.id!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A sealed payload. `algorithm` is as it stands there; it need not be one that this version knows."""

    algorithm: str
    key: str
    nonce: bytes
    ciphertext: bytes

    def to_payload(self) -> dict[str, Value]:
        """What stands in the block."""
        inner: dict[str, Value] = {"algorithm": self.algorithm, "key": self.key, "nonce": self.nonce, "ciphertext": self.ciphertext}
        return {SEALED: inner}


def sealed_in(event: Event) -> Sealed | None:
    """The sealed payload of an event as it is stored; None where its payload is readable."""
    inner = event.payload.get(SEALED)
    if inner is None or len(event.payload) != 1 or type(inner) is not dict or inner.keys() != _FIELDS:
        return None
    algorithm, key, nonce, ciphertext = inner["algorithm"], inner["key"], inner["nonce"], inner["ciphertext"]
    if type(algorithm) is str and type(key) is str and type(nonce) is bytes and type(ciphertext) is bytes:
        return Sealed(algorithm=algorithm, key=key, nonce=nonce, ciphertext=ciphertext)
    return None


def seal(event: Event, key: Key, algorithm: Algorithm) -> Event:
    """`event` with its payload sealed by `key`. Raises EncodingError for a payload that DAG-CBOR cannot hold."""
    plain, place = encode(event.payload), _place_of(event)
    nonce_key = blake3(key.secret, derive_key_context=_NONCE_CONTEXT).digest()
    nonce = blake3(encode([place, plain]), key=nonce_key).digest(_NONCE_BYTES)
    ciphertext = _CIPHERS[algorithm](key.secret).encrypt(nonce, plain, place)
    sealed = Sealed(algorithm=algorithm.value, key=key.id, nonce=nonce, ciphertext=ciphertext)
    return replace(event, payload=sealed.to_payload())


def open_sealed(event: Event, sealed: Sealed, key: Key) -> Event:
    """`event` with its payload as it was before it was sealed. Raises PayloadUnreadable."""
    where = f"The payload of version {event.version} of {event.aggregate}"
    if sealed.algorithm not in _KNOWN:
        known = " and ".join(Algorithm)
        raise PayloadUnreadable(f"{where} is encrypted with {sealed.algorithm[:60]!r}, and this version knows {known}; run newer code.")
    cipher = _CIPHERS[Algorithm(sealed.algorithm)](key.secret)
    try:
        plain = cipher.decrypt(sealed.nonce, sealed.ciphertext, _place_of(event))
    except (InvalidTag, ValueError) as error:
        raise PayloadUnreadable(
            f"{where} does not open with the key {key.id} that is here: it is not the one it was sealed with, or the event was changed. "
            "Verify the aggregate: if its chain holds, bring the right key back."
        ) from error
    return replace(event, payload=cast("dict[str, Value]", decode(plain)))


def _place_of(event: Event) -> bytes:
    """What a sealed payload belongs to; anywhere else it does not open. The version is left to the chain: a migration counts anew."""
    ref = event.aggregate
    return encode([ref.context, ref.type, ref.id, event.id, event.type, event.schema])
