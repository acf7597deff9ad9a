"""This module is what the bytes of a message say: read by what their writer declared, else by trial, with a report of every try."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from apps.persistence.encoding import decode
from apps.persistence.errors import EncodingError

from .cbor import NotCbor, read_cbor
from .json_text import NotJson, read_json
from .tree import Budget, Node, build

SHOWN_CHARACTERS = 20_000
JSON, DAG_CBOR, CBOR, MESSAGE_PACK, TEXT, BYTES, EMPTY = "JSON", "DAG-CBOR", "CBOR", "MessagePack", "text", "bytes", "empty"
_NOT_IN_TEXT = {chr(code) for code in (*range(9), 11, 12, *range(14, 32), 127)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One reading that was tried, or why it was not."""

    reader: str
    outcome: str
    is_accepted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """What was read: a tree, or a text, or neither (then only the bytes can be shown). `is_cut`: there is more than is shown."""

    format: str
    declared: str
    tree: Node | None
    text: str | None
    attempts: tuple[Attempt, ...]
    size: int
    is_cut: bool

    @property
    def refusals(self) -> tuple[Attempt, ...]:
        """What was tried in vain, or not tried."""
        return tuple(attempt for attempt in self.attempts if not attempt.is_accepted)


class _Refused(Exception):
    """This reader cannot read the bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    tree: Node | None = None
    text: str | None = None
    note: str = "accepted"


def decode_payload(data: bytes, headers: Mapping[str, str], *, is_full: bool = False) -> Decoded:
    """Read a payload. Unless `is_full`, about SHOWN_CHARACTERS of it are shown. Never raises."""
    budget = Budget(None if is_full else SHOWN_CHARACTERS)
    declared = _declared(headers)
    if not data:
        return Decoded(format=EMPTY, declared=declared, tree=None, text=None, attempts=(), size=0, is_cut=False)
    attempts: list[Attempt] = []
    for name in sorted(_READERS, key=lambda name: name != declared):
        try:
            found = _READERS[name](data, budget, name == declared)
        except _Refused as refusal:
            attempts.append(Attempt(reader=name, outcome=str(refusal)))
            continue
        attempts.append(Attempt(reader=name, outcome=found.note, is_accepted=True))
        return Decoded(
            format=name,
            declared=declared,
            tree=found.tree,
            text=found.text,
            attempts=tuple(attempts),
            size=len(data),
            is_cut=budget.was_cut,
        )
    return Decoded(format=BYTES, declared=declared, tree=None, text=None, attempts=tuple(attempts), size=len(data), is_cut=False)


def _declared(headers: Mapping[str, str]) -> str:
    """The reader that the message's Content-Type names, or nothing."""
    found = {name.lower(): value for name, value in headers.items()}.get("content-type", "").split(";")[0].strip().lower()
    if found == "application/json" or found.endswith("+json"):
        return JSON
    if found in ("application/vnd.ipld.dag-cbor", "application/dag-cbor"):
        return DAG_CBOR
    if found == "application/cbor" or found.endswith("+cbor"):
        return CBOR
    if found in ("application/msgpack", "application/x-msgpack", "application/vnd.msgpack"):
        return MESSAGE_PACK
    return TEXT if found.startswith("text/") else ""


def _as_json(data: bytes, budget: Budget, is_declared: bool) -> _Read:
    try:
        value, repeated = read_json(data)
    except NotJson as error:
        raise _Refused(f"refused {error}") from error
    note = f"accepted; {', '.join(map(repr, repeated[:5]))} stands more than once in one object" if repeated else "accepted"
    return _Read(tree=build(value, budget), note=note)


def _as_dag_cbor(data: bytes, budget: Budget, is_declared: bool) -> _Read:
    _refuse_text_like(data, is_declared)
    try:
        return _Read(tree=build(decode(data), budget))
    except EncodingError as error:
        raise _Refused(f"refused: {error}") from error


def _as_cbor(data: bytes, budget: Budget, is_declared: bool) -> _Read:
    _refuse_text_like(data, is_declared)
    try:
        return _Read(tree=build(read_cbor(data), budget))
    except NotCbor as error:
        raise _Refused(f"refused {error}") from error


def _as_message_pack(data: bytes, budget: Budget, is_declared: bool) -> _Read:
    raise _Refused("not tried: no decoder for it is installed")


def _as_text(data: bytes, budget: Budget, is_declared: bool) -> _Read:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _Refused(f"refused at byte {error.start:,}: it is not UTF-8") from error
    for position, character in enumerate(text):
        if character in _NOT_IN_TEXT:
            raise _Refused(f"refused at character {position:,}: the control character {ord(character):#04x}")
    return _Read(text=budget.cut(text))


def _refuse_text_like(data: bytes, is_declared: bool) -> None:
    """Short texts are well-formed CBOR by chance; a map or a list is never UTF-8."""
    if is_declared:
        return
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return
    raise _Refused("not tried: it is text")


_READERS: Mapping[str, Callable[[bytes, Budget, bool], _Read]] = {
    JSON: _as_json,
    DAG_CBOR: _as_dag_cbor,
    CBOR: _as_cbor,
    MESSAGE_PACK: _as_message_pack,
    TEXT: _as_text,
}
