"""This module is what a pasted text can be: every way to read it, likeliest first. Pure; nothing is looked up."""

from __future__ import annotations

import re
from dataclasses import dataclass

from apps.persistence.encoding import Cid, CidDescription, describe_cid
from apps.persistence.errors import InvalidCid, InvalidInput
from apps.persistence.events import AggregateRef
from apps.persistence.subjects import is_token

LONGEST = 1_100
_SEQUENCE = re.compile(r"(?:([^\s:#.*>]+)[:#])?\s*([0-9][0-9,_ ]*)", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_VERSIONED = re.compile(r"(.+?)@v?([1-9][0-9]{0,17})", re.ASCII)
_CID_LIKE = re.compile(r"(?:Qm|z|b|f|u|m|k|B|F|U|M)[A-Za-z0-9_+/=-]{30,}", re.ASCII)
_NAME = re.compile(r"[^\s.*>/\\]{1,128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """A place in a stream."""

    stream: str
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OurCid:
    """The CID of an event block."""

    cid: Cid


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignCid:
    """A CID that no event of ours can have."""

    description: CidDescription


@dataclass(frozen=True, slots=True, kw_only=True)
class NoCid:
    """Text that looks like a CID and is none."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """A whole name, and a version if one was given as `name@12`."""

    ref: AggregateRef
    version: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateType:
    """`context.type`."""

    context: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The subject of one event, or a pattern of subjects."""

    subject: str

    @property
    def is_pattern(self) -> bool:
        return any(token in ("*", ">") for token in self.subject.split("."))


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlation:
    """A UUID: of a correlation, or of the event that began it."""

    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateId:
    """The id of an aggregate of any type, or the beginning of one."""

    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """The name of a stream, projection or consumer, or a part of one."""

    name: str


Reading = Sequence | OurCid | ForeignCid | NoCid | Aggregate | AggregateType | Subject | Correlation | AggregateId | Name


def read_text(text: str, *, stream: str) -> tuple[Reading, ...]:
    """Every way to read `text`; a sequence alone is one of `stream`. Raises InvalidInput for what is too long to be anything."""
    text = text.strip()
    if len(text) > LONGEST:
        raise InvalidInput(f"{len(text):,} characters are more than any name, id or CID has; paste one of them at a time.")
    readings = [_sequence(text, stream), _cid(text), *_dotted(text), _correlation(text), *_names(text)]
    return tuple(reading for reading in readings if reading is not None)


def _sequence(text: str, stream: str) -> Sequence | None:
    found = _SEQUENCE.fullmatch(text)
    digits = re.sub(r"[,_ ]", "", found[2]) if found else ""
    if found is None or not digits or len(digits) > 18 or int(digits) == 0:
        return None
    return Sequence(stream=found[1] or stream, sequence=int(digits))


def _cid(text: str) -> OurCid | ForeignCid | NoCid | None:
    if not _CID_LIKE.fullmatch(text) or _UUID.fullmatch(text):
        return None
    try:
        return OurCid(cid=Cid.parse(text))
    except InvalidCid:
        pass
    try:
        description = describe_cid(text)
    except InvalidCid as error:
        return NoCid(reason=str(error)) if text.startswith(("baf", "Qm")) else None
    return OurCid(cid=description.cid) if description.is_ours else ForeignCid(description=description)


def _dotted(text: str) -> list[Reading]:
    named = _VERSIONED.fullmatch(text)
    name, version = (named[1], int(named[2])) if named else (text, None)
    tokens = name.split(".")
    if len(tokens) == 2 and all(map(is_token, tokens)):
        return [AggregateType(context=tokens[0], type=tokens[1])]
    if len(tokens) == 3 and all(map(is_token, tokens)):
        return [Aggregate(ref=AggregateRef(*tokens), version=version), Subject(subject=name)]
    is_subject = len(tokens) > 1 and all(tokens) and not re.search(r"\s", text) and ">" not in tokens[:-1]
    return [Subject(subject=text)] if is_subject else []


def _correlation(text: str) -> Correlation | None:
    return Correlation(id=text.lower()) if _UUID.fullmatch(text.lower()) else None


def _names(text: str) -> list[Reading]:
    readings: list[Reading] = []
    named = _VERSIONED.fullmatch(text)
    if is_token(named[1] if named else text):
        readings.append(AggregateId(id=named[1] if named else text))
    if _NAME.fullmatch(text):
        readings.append(Name(name=text))
    return readings
