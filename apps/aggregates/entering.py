"""This module is the form of a command or query: made from its shape, and read into a payload, with what is wrong beside its field.

Names of inputs are paths: `unit_price.cents`, `skills.0.level`. Several of one simple kind are typed one a line, named ones as
`name = value`; several groups are rows, and a button brings one more without any script.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from apps.domain.cqrs import DeclaredCommand, DeclaredQuery, InvalidFields, Problem, Shape, read_payload
from apps.persistence.encoding import MAX_DEPTH, Cid, Value, encode
from apps.persistence.errors import PersistenceError

MOST_ROWS = 50
SENTENCES = {
    "number": "must be a whole number, such as 12",
    "decimal": "must be a number, such as 12.5",
    "cid": "must be a CID, which begins with bafy",
    "json": "must be JSON, such as {\"level\": 3}",
}  # fmt: skip
TOO_DEEP = f"A list or map nested more than {MAX_DEPTH} deep cannot be stored; flatten it."
_SINGLE = ("text", "lines", "number", "decimal", "choice", "date", "time", "cid")
Given = Mapping[str, str]
Declared = DeclaredCommand | DeclaredQuery


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One field as the form shows it: `parts` are those of a group, or the rows of a list of groups."""

    path: str
    shape: Shape
    label: str
    text: str = ""
    errors: tuple[str, ...] = ()
    parts: tuple[Entry, ...] = ()

    @property
    def id(self) -> str:
        return f"field-{self.path.replace('.', '-')}"

    @property
    def widget(self) -> str:
        """Which input it gets."""
        if self.shape.kind == "list":
            return "rows" if _has_rows(self.shape) else "lines"
        if self.shape.kind in ("map", "json"):
            return "lines"
        return self.shape.kind

    @property
    def hint(self) -> str:
        """How it is written, where that does not go without saying."""
        hints = {"time": "Such as 2026-11-21T10:40:31Z.", "json": "JSON.", "map": "One a line, as name = value."}
        return "One a line." if self.widget == "lines" and self.shape.kind == "list" else hints.get(self.shape.kind, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandForm:
    """The fields of a command or query as typed; `payload` is what they say where nothing is wrong. `errors` are those of the whole."""

    command: Declared
    entries: tuple[Entry, ...]
    payload: dict[str, Value] | None = None
    errors: tuple[str, ...] = ()


@dataclass(slots=True)
class _Reading:
    """What is gathered while a form is read."""

    given: Given
    problems: list[Problem] = field(default_factory=list)
    kept: dict[str, list[int]] = field(default_factory=dict)

    def place_of(self, path: str) -> str:
        """Where in the form a place in the payload is: rows that were left empty are not in the payload."""
        for rows, kept in self.kept.items():
            index, _, rest = path.removeprefix(f"{rows}.").partition(".")
            if path.startswith(f"{rows}.") and index.isdigit() and int(index) < len(kept):
                return ".".join(part for part in (rows, str(kept[int(index)]), rest) if part)
        return path

    def wrong(self, path: str, sentence: str) -> None:
        self.problems.append(Problem(path=path, sentence=sentence))


def blank_form(command: Declared, given: Given) -> CommandForm:
    """The form before anything was sent; `given` fills some of its fields."""
    return CommandForm(command=command, entries=_entries(command, given, ()))


def read_form(command: Declared, given: Given) -> CommandForm:
    """What was typed, and what is wrong with it: first with how it is written, then with what the command's own values refuse."""
    reading = _Reading(given)
    payload: dict[str, Value] = {
        shape.name: value for shape in _shown(command) if (value := _read(shape, shape.name, reading)) is not None
    }  # fmt: skip
    if not reading.problems:
        reading.problems += [Problem(path=reading.place_of(one.path), sentence=one.sentence) for one in _refused(command, payload)]
    problems = tuple(reading.problems)
    entries = _entries(command, given, problems)
    whole = tuple(one.sentence for one in problems if one.path.partition(".")[0] not in {entry.path for entry in entries})
    return CommandForm(command=command, entries=entries, payload=None if problems else payload, errors=whole)


def _shown(command: Declared) -> tuple[Shape, ...]:
    return tuple(shape for shape in command.shape.fields if shape.name not in command.hidden)


def _refused(command: Declared, payload: dict[str, Value]) -> list[Problem]:
    try:
        encode(payload)
        read_payload(command.type, payload)
    except InvalidFields as error:
        return [problem for problem in error.problems if problem.path not in command.hidden]
    except PersistenceError as error:
        return [Problem(path="", sentence=str(error))]
    return []


# -- showing ---------------------------------------------------------------------------------------------------------------------------


def _entries(command: Declared, given: Given, problems: tuple[Problem, ...]) -> tuple[Entry, ...]:
    return tuple(_entry(shape, shape.name, given, problems) for shape in _shown(command))


def _entry(shape: Shape, path: str, given: Given, problems: tuple[Problem, ...], label: str = "") -> Entry:
    parts: tuple[Entry, ...] = ()
    if shape.kind == "group":
        parts = tuple(_entry(one, f"{path}.{one.name}", given, problems) for one in shape.fields)
    elif _has_rows(shape):
        row = cast(Shape, shape.entry)
        parts = tuple(_entry(row, f"{path}.{at}", given, problems, f"{at + 1}.") for at in range(_rows(shape, path, given)))
    elif shape.kind == "list":
        problems = tuple(Problem(path=path, sentence=one.sentence) if one.path.startswith(f"{path}.") else one for one in problems)
    errors = tuple(one.sentence for one in problems if one.path == path)
    return Entry(path=path, shape=shape, label=label or shape.title, text=_text(shape, path, given), errors=errors, parts=parts)


def _text(shape: Shape, path: str, given: Given) -> str:
    return given.get(path, "") if path in given or f"{path}.sent" in given else _default_text(shape)


def _default_text(shape: Shape) -> str:
    default = shape.default
    if isinstance(default, bool):
        return "on" if default else ""
    return str(getattr(default, "value", default)) if isinstance(default, str | int | float) else ""


def _rows(shape: Shape, path: str, given: Given) -> int:
    """How many rows are shown: as many as were sent, one more where that was asked for."""
    sent = given.get(f"{path}.rows", "")
    count = int(sent) if sent.isascii() and sent.isdigit() and len(sent) < 4 else int(shape.is_required)
    return min(MOST_ROWS, count + (given.get("more", "") == path))


def _has_rows(shape: Shape) -> bool:
    return shape.kind == "list" and shape.entry is not None and shape.entry.kind not in _SINGLE


# -- reading ---------------------------------------------------------------------------------------------------------------------------


def _read(shape: Shape, path: str, reading: _Reading) -> Value:
    """The value that was typed, None where nothing was; what is wrong is noted."""
    if shape.kind == "switch":
        return reading.given.get(path, "") == "on"
    if shape.kind == "group":
        return _read_group(shape, path, reading)
    if _has_rows(shape):
        return _read_rows(shape, path, reading)
    typed = reading.given.get(path, "")
    if not typed.strip():
        if shape.is_required and shape.kind not in ("list", "map"):
            reading.wrong(path, f"{shape.title} is needed.")
        return None if not shape.is_required else cast(Value, {"list": [], "map": {}}.get(shape.kind))
    if shape.kind == "list":
        entry = cast(Shape, shape.entry)
        return [_single(entry, line.strip(), path, reading) for line in typed.splitlines() if line.strip()]
    return _read_map(shape, typed, path, reading) if shape.kind == "map" else _single(shape, typed.strip(), path, reading)


def _read_group(shape: Shape, path: str, reading: _Reading) -> Value:
    if not shape.is_required and not _is_typed(shape, path, reading.given):
        return None
    read = {one.name: _read(one, f"{path}.{one.name}", reading) for one in shape.fields}
    return {name: value for name, value in read.items() if value is not None}


def _read_rows(shape: Shape, path: str, reading: _Reading) -> Value:
    entry = cast(Shape, shape.entry)
    rows = [f"{path}.{at}" for at in range(_rows(shape, path, {**reading.given, "more": ""}))]
    kept = [at for at, row in enumerate(rows) if _is_typed(entry, row, reading.given)]
    reading.kept[path] = kept
    typed = [_read(entry, rows[at], reading) for at in kept]
    return typed if typed or shape.is_required else None


def _read_map(shape: Shape, typed: str, path: str, reading: _Reading) -> Value:
    read: dict[str, Value] = {}
    for line in typed.splitlines():
        name, sign, value = (part.strip() for part in line.partition("="))
        if name in read:
            reading.wrong(path, _twice(name))
        elif name and sign:
            read[name] = _single(cast(Shape, shape.entry), value, path, reading)
        elif line.strip():
            reading.wrong(path, f"{line.strip()[:60]!r} has no name and value; write it as name = value.")
    return read


def _is_typed(shape: Shape, path: str, given: Given) -> bool:
    """Whether a group or row holds anything but what it was shown with."""
    if shape.kind == "group":
        return any(_is_typed(one, f"{path}.{one.name}", given) for one in shape.fields)
    if _has_rows(shape):
        return any(_is_typed(cast(Shape, shape.entry), f"{path}.{at}", given) for at in range(_rows(shape, path, given)))
    if shape.kind == "switch":
        return f"{path}.sent" in given and (given.get(path, "") == "on") != bool(shape.default)
    return given.get(path, "").strip() not in ("", _default_text(shape))


def _single(shape: Shape, typed: str, path: str, reading: _Reading) -> Value:
    readers: dict[str, Any] = {"number": _whole, "decimal": float, "cid": Cid.parse, "switch": lambda text: text == "on"}
    reader = readers.get(shape.kind, str if shape.kind in _SINGLE else _json)
    try:
        return cast(Value, reader(typed))
    except RecursionError:
        reading.wrong(path, TOO_DEEP)
        return None
    except _TwiceNamed as error:
        reading.wrong(path, _twice(error.args[0]))
        return None
    except (PersistenceError, ValueError):
        reading.wrong(path, f"{typed[:60]!r} {SENTENCES.get(shape.kind, SENTENCES['json'])}.")
        return None


def _twice(name: str) -> str:
    return f"The name {name[:60]!r} stands twice in the same object; keep one of them."


class _TwiceNamed(ValueError):
    """A JSON object has the same name twice, so that one of its values would be lost."""


def _json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_once_named)


def _once_named(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict[str, Any]()
    for name, value in pairs:
        if name in read:
            raise _TwiceNamed(name)
        read[name] = value
    return read


def _whole(text: str) -> int:
    return int(text.replace(",", "").replace(" ", ""))
