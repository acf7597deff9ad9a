"""This module is signed notes (C2SP signed-note): a text, an empty line, and signature lines; one spelling for each, all else is refused.

— name base64(key id in 4 bytes ‖ signature)
"""

from __future__ import annotations

import binascii
import unicodedata
from base64 import b64decode, b64encode
from dataclasses import dataclass

from ..errors import InvalidInput

MAX_NOTE_BYTES = 65_536
MAX_SIGNATURES = 16
KEY_ID_BYTES = 4
_MARK = "— "
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """One signature line: whose, and its bytes. Nothing is said of whether it holds."""

    name: str
    key_id: bytes
    blob: bytes

    @property
    def line(self) -> str:
        return f"{_MARK}{self.name} {b64encode(self.key_id + self.blob).decode()}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A text, which ends in a newline, and its signatures."""

    text: str
    signatures: tuple[Signature, ...]

    @property
    def raw(self) -> bytes:
        return (self.text + "\n" + "".join(signature.line for signature in self.signatures)).encode()

    def with_signatures(self, *added: Signature) -> Note:
        """The note with more signatures; one of the same key takes the place of the older."""
        new = {(one.name, one.key_id) for one in added}
        kept = [one for one in self.signatures if (one.name, one.key_id) not in new]
        return Note(text=self.text, signatures=(*kept, *added))


def parse_note(raw: bytes) -> Note:
    """The note that these bytes are. Raises InvalidInput for whatever is not exactly one."""
    text, separator, signatures = _readable(raw).rpartition("\n\n")
    if not separator or not text:
        raise InvalidInput(
            "This is no signed note: it has no empty line between a text and its signatures; use the file as it was given out."
        )
    if not signatures.endswith("\n"):
        raise InvalidInput("This is no signed note: its last line has no end; the file was cut off.")
    lines = signatures[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise InvalidInput(f"The note has {len(lines)} signature lines; at most {MAX_SIGNATURES} are read.")
    found = tuple(_signature(line) for line in lines)
    keys = [(one.name, one.key_id) for one in found]
    for key in keys:
        if keys.count(key) > 1:
            raise InvalidInput(f"The note has two signatures by the key {key[1].hex()} of {key[0]!r}; one was added by somebody else.")
    return Note(text=text + "\n", signatures=found)


def is_note(raw: bytes) -> bool:
    """Whether these bytes are a signed note at all; nothing is said of its signatures."""
    try:
        parse_note(raw)
    except InvalidInput:
        return False
    return True


def check_name(name: str) -> str:
    """Return `name` if a key may bear it: not empty, no spaces and no plus. Raises InvalidInput."""
    if not name or "+" in name or any(character.isspace() or unicodedata.category(character) in ("Cc", "Zs") for character in name):
        raise InvalidInput(f"{name[:80]!r} cannot be the name of a key: it must not be empty and holds no spaces and no +.")
    return name


def decode_base64(text: str, what: str) -> bytes:
    """The bytes of standard base64 in its one spelling. Raises InvalidInput."""
    try:
        raw = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if not raw or b64encode(raw).decode() != text:
        raise InvalidInput(f"{what} {text[:80]!r} is not standard base64 with its padding; use the file as it was given out.")
    return raw


def _readable(raw: bytes) -> str:
    if len(raw) > MAX_NOTE_BYTES:
        raise InvalidInput(f"A note of {len(raw):,} bytes is not read; a checkpoint has a few hundred, and at most {MAX_NOTE_BYTES:,}.")
    if raw.startswith(_BYTE_ORDER_MARK):
        raise InvalidInput(
            "This is no signed note: it begins with a UTF-8 byte order mark (BOM), which an editor put before it; save it without."
        )
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"This is no signed note: it is binary, byte {error.start:,} is not UTF-8; use the file as it was given out."
        ) from error
    if "\0" in text:
        raise InvalidInput("This is no signed note: it is binary, with the control character 0; use the file as it was given out.")
    if "\r" in text:
        raise InvalidInput("This is no signed note: its lines end in CRLF. Some program changed it; use the file as it was given out.")
    wrong = next((character for character in text if character < " " and character != "\n"), None)
    if wrong is not None:
        raise InvalidInput(f"This is no signed note: it holds the control character {wrong!r}; use the file as it was given out.")
    return text


def _signature(line: str) -> Signature:
    if not line.startswith(_MARK):
        raise InvalidInput(f"{line[:80]!r} is no signature line; each begins with a long dash and a space.")
    name, separator, encoded = line[len(_MARK) :].partition(" ")
    if not separator or " " in encoded:
        raise InvalidInput(f"{line[:80]!r} is no signature line; after the dash come a name and one word of base64.")
    raw = decode_base64(encoded, "The signature")
    if len(raw) <= KEY_ID_BYTES:
        raise InvalidInput(f"The signature by {name[:80]!r} has {len(raw)} bytes, which is a key id at most; the note was cut.")
    return Signature(name=check_name(name), key_id=raw[:KEY_ID_BYTES], blob=raw[KEY_ID_BYTES:])
