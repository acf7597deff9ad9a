"""This module is the Ed25519 keys of logs and witnesses: as text that can be handed on (vkey), and as files that only their owner may read.

    vkey      name+key id in hex+base64(kind ‖ public key)
    key file  PRIVATE+KEY+name+key id in hex+base64(kind ‖ seed)

A key id is the beginning of SHA-256(name ‖ newline ‖ kind ‖ public key), so one pair of keys under two names has two ids.
"""

from __future__ import annotations

import os
import stat
from base64 import b64encode
from dataclasses import dataclass, replace
from enum import IntEnum
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ..errors import InvalidInput
from .notes import KEY_ID_BYTES, check_name, decode_base64

SEED_BYTES = 32
SIGNATURE_BYTES = 64
_PRIVATE = "PRIVATE+KEY+"


class KeyKind(IntEnum):
    """What a key signs: notes, or checkpoints with a time (cosignature/v1)."""

    LOG = 0x01
    WITNESS = 0x04


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifierKey:
    """The public half, under a name."""

    name: str
    kind: KeyKind
    public: bytes

    @property
    def key_id(self) -> bytes:
        return sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:KEY_ID_BYTES]

    @property
    def vkey(self) -> str:
        """The key as one line of text."""
        return _text(self.name, self.key_id, self.kind, self.public)

    def named(self, name: str) -> VerifierKey:
        """The same key under another name, and so with another id."""
        return replace(self, name=check_name(name))

    def holds(self, message: bytes, signature: bytes) -> bool:
        """Whether the signature over the message was made with this key."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except InvalidSignature:
            return False
        return True

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """The key in a vkey. Raises InvalidInput for whatever is not exactly one, also where the id is not that of the key."""
        name, kind, raw, key_id = _parse(text, "vkey")
        found = cls(name=name, kind=kind, public=raw)
        if found.key_id.hex() != key_id:
            raise InvalidInput(f"The key of {name!r} has the id {found.key_id.hex()}, and the text says {key_id}; it was changed.")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """The private half. Never printed: `text` is for its file alone."""

    name: str
    kind: KeyKind
    seed: bytes

    @classmethod
    def generate(cls, name: str, kind: KeyKind) -> SigningKey:
        return cls(name=check_name(name), kind=kind, seed=Ed25519PrivateKey.generate().private_bytes_raw())

    @property
    def verifier(self) -> VerifierKey:
        public = Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw()
        return VerifierKey(name=self.name, kind=self.kind, public=public)

    @property
    def text(self) -> str:
        return _PRIVATE + _text(self.name, self.verifier.key_id, self.kind, self.seed)

    def named(self, name: str) -> SigningKey:
        """The same key under another name."""
        return replace(self, name=check_name(name))

    def sign(self, message: bytes) -> bytes:
        return Ed25519PrivateKey.from_private_bytes(self.seed).sign(message)

    def __repr__(self) -> str:
        return f"SigningKey({self.verifier.vkey})"

    @classmethod
    def parse(cls, text: str) -> SigningKey:
        """The key in a key file. Raises InvalidInput, without the secret in its words."""
        if not text.startswith(_PRIVATE):
            raise InvalidInput(f"This is no signing key; its text begins with {_PRIVATE}.")
        name, kind, seed, key_id = _parse(text[len(_PRIVATE) :], "signing key", is_secret=True)
        found = cls(name=name, kind=kind, seed=seed)
        if found.verifier.key_id.hex() != key_id:
            raise InvalidInput(f"The signing key of {name!r} is not the one whose id {key_id} stands beside it; the file was changed.")
        return found


def read_key_file(path: Path) -> SigningKey:
    """The key in a file that only its owner can read. Raises InvalidInput where others can, or it holds no key."""
    try:
        found = path.lstat()
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"The key file {path} cannot be read: {error}.") from error
    if not stat.S_ISREG(found.st_mode):
        raise InvalidInput(f"The key file {path} is no plain file; name the file itself.")
    if found.st_mode & 0o077:
        raise InvalidInput(f"Others can read the key file {path} (mode {found.st_mode & 0o777:o}); take that from them: chmod 600 {path}")
    if found.st_uid != os.geteuid():
        raise InvalidInput(
            f"The key file {path} belongs to user {found.st_uid}, not to the one who runs this; give each process its own key."
        )
    return SigningKey.parse(text.removesuffix("\n"))


def write_key_file(path: Path, key: SigningKey) -> None:
    """Keep a key in a new file that only its owner can read. Raises InvalidInput where there is a file already."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise InvalidInput(f"The key file {path} cannot be made: {error.strerror}. A key is never written over another.") from error
    with os.fdopen(descriptor, "w") as file:
        file.write(key.text + "\n")
        file.flush()
        os.fsync(file.fileno())


def _text(name: str, key_id: bytes, kind: KeyKind, raw: bytes) -> str:
    return f"{name}+{key_id.hex()}+{b64encode(bytes([kind]) + raw).decode()}"


def _parse(text: str, what: str, *, is_secret: bool = False) -> tuple[str, KeyKind, bytes, str]:
    """Name, kind, key and id of `name+id+base64`."""
    shown = "The text" if is_secret else repr(text[:120])
    parts = text.split("+", 2)
    if len(parts) != 3 or len(parts[1]) != 2 * KEY_ID_BYTES or parts[1].strip("0123456789abcdef"):
        raise InvalidInput(f"{shown} is no {what}; it must be a name, an id of {2 * KEY_ID_BYTES} hex digits, and the key, with + between.")
    name, key_id, encoded = parts
    try:
        raw = decode_base64(encoded, "The key")
    except InvalidInput:
        raise InvalidInput(f"{shown} is no {what}; its last part is not standard base64.") from None
    if len(raw) != 1 + SEED_BYTES or raw[0] not in set(KeyKind):
        raise InvalidInput(f"{shown} is no {what} for Ed25519; its last part must be kind 1 or 4 and {SEED_BYTES} bytes.")
    return check_name(name), KeyKind(raw[0]), raw[1:], key_id
