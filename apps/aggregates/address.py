"""This module is the address of an aggregate's page: which aggregate, and which version, time or pair of versions a person asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

from django.urls import reverse

from apps.persistence.errors import InvalidInput
from apps.persistence.events import AggregateRef, parse_time
from apps.persistence.events.block import MAX_VERSION

_VERSION = re.compile(r"v?([1-9][0-9]{0,18})", re.ASCII)
_LOOSE_TIME = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d(?:\.\d{1,9})?)?)?", re.ASCII)
_PAIR = re.compile(r"([^.]+)\.\.([^.]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two versions to compare, the older first."""

    older: int
    newer: int

    def __str__(self) -> str:
        return f"{self.older}..{self.newer}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the address asks of one aggregate. Neither `version` nor `moment`: the newest version.

    `stream` is empty where the layout follows from the aggregate's context. `folds` says to compute the state however long it takes,
    `proves` is the version of the snapshot to prove.
    """

    ref: AggregateRef
    stream: str = ""
    version: int | None = None
    moment: datetime | None = None
    pair: Pair | None = None
    verifies: bool = False
    folds: bool = False
    proves: int | None = None

    @property
    def is_newest(self) -> bool:
        """Whether the page follows the aggregate's head."""
        return self.version is None and self.moment is None


def read_address(ref: AggregateRef, given: Mapping[str, str]) -> Asked:
    """Read the query of an aggregate's address. Raises InvalidInput with what can be written instead."""
    version, moment = _version_or_time(given)
    return Asked(
        ref=ref,
        stream=given.get("stream", "").strip(),
        version=version,
        moment=moment,
        pair=_pair(given),
        verifies=given.get("verify", "") == "1",
        folds=given.get("fold", "") == "1",
        proves=parse_version(given["prove"]) if given.get("prove") else None,
    )


def address_of(ref: AggregateRef, stream: str = "", **query: object) -> str:
    """The path and query of an aggregate's page. Entries that are None or empty are left out."""
    path = reverse("aggregates:aggregate", args=[ref.context, ref.type, ref.id])
    given = {"stream": stream, **query}
    words = urlencode({name: str(value) for name, value in given.items() if value not in (None, "")}, safe=":.")
    return f"{path}?{words}" if words else path


def parse_version(text: str) -> int:
    """Read `12` or `v12`. Raises InvalidInput."""
    found = _VERSION.fullmatch(text.strip())
    if not found or int(found[1]) > MAX_VERSION:
        raise InvalidInput(f"{text.strip()[:80]!r} is no version; versions are whole numbers from 1, such as 12.")
    return int(found[1])


def parse_moment(text: str) -> datetime:
    """Read a time as people write it: RFC 3339, or a date with or without a time, which is then UTC. Raises InvalidInput."""
    written = text.strip()
    found = _LOOSE_TIME.fullmatch(written)
    if found:
        day, minutes, seconds = found.groups()
        written = f"{day}T{minutes or '00:00'}{seconds or ':00'}Z"
    try:
        return parse_time(written.replace(" ", "T", 1) if found is None else written)
    except InvalidInput as error:
        raise InvalidInput(
            f"{text.strip()[:80]!r} is no version and no time; write a version such as 12, or a time such as "
            f"{datetime.now(UTC):%Y-%m-%d} 10:40 (UTC)."
        ) from error


def _version_or_time(given: Mapping[str, str]) -> tuple[int | None, datetime | None]:
    """`at` wins over `version`: it is the field that a person typed in, the other the one the scrubber keeps."""
    at = given.get("at", "").strip()
    if at:
        return (parse_version(at), None) if _VERSION.fullmatch(at) else (None, parse_moment(at))
    version = given.get("version", "").strip()
    return (parse_version(version), None) if version else (None, None)


def _pair(given: Mapping[str, str]) -> Pair | None:
    """`diff=12..17`, or the two fields of the form."""
    text = given.get("diff", "").strip()
    older, newer = given.get("from", "").strip(), given.get("to", "").strip()
    if text:
        found = _PAIR.fullmatch(text)
        if not found:
            raise InvalidInput(f"{text[:80]!r} names no two versions; write them as 12..17.")
        older, newer = found.groups()
    if not older and not newer:
        return None
    first, second = parse_version(older or "1"), parse_version(newer or older)
    return Pair(older=min(first, second), newer=max(first, second))
