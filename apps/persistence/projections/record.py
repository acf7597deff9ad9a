"""This module is the record of a projection: which builds there are, which one serves readers, whether it is paused, where it failed.

It is one key of the bucket `cim-projections`; `control` reads and changes it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, cast

from ..encoding import Value, encode
from ..errors import InvalidInput
from ..events import format_time, parse_time
from ..store import KvEntry, of_type, parse_record


class Wanted(StrEnum):
    """What an operator wants of a projection."""

    RUNNING = "running"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The event that stopped a build, and why. `attempts` counts how often it was tried; `since` is when it first failed."""

    sequence: int
    subject: str
    event_type: str
    aggregate: str
    reason: str
    since: datetime
    attempts: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """An event that an operator chose to leave out of builds of this generation of the stream, with the note that says why."""

    sequence: int
    note: str
    by: str
    at: datetime
    generation: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """An event of one generation of the stream, set aside for a later decision: why it could not be applied, by whom, with which note."""

    sequence: int
    subject: str
    event_type: str
    aggregate: str
    reason: str
    note: str
    by: str
    at: datetime
    generation: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two builds, counted by model: `one` is what readers have now, `other` what they would have.

    `expected` differ only in `fields`, which an operator named. `moved` changed too fast to be compared. `samples` are some keys of
    each kind of difference.
    """

    one: int
    other: int
    at: datetime
    equal: int
    expected: int
    different: int
    moved: int
    only_in_one: int
    only_in_other: int
    fields: tuple[str, ...] = ()
    samples: tuple[tuple[str, str], ...] = ()

    @property
    def is_equal(self) -> bool:
        """Whether nothing that could be compared differs in a way that was not expected."""
        return not self.differences

    @property
    def differences(self) -> int:
        """Models that differ, or are only in one of the two."""
        return self.different + self.only_in_one + self.only_in_other


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """One set of models. Not `completed` until it has once reached the head; `failure` stops it. `last_failure` is what a retry cleared.

    `generation` is that of the stream that it was built from, `owner` the run that fills it, empty where workers do by themselves.
    `left` is when readers were switched away from it; `comparison` is the last with the build that served then.
    """

    number: int
    version: int
    started: datetime
    completed: datetime | None = None
    left: datetime | None = None
    failure: Failure | None = None
    last_failure: Failure | None = None
    generation: int = 1
    owner: str = ""
    comparison: Comparison | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectionRecord:
    """A projection as all workers and pages see it. `serving` is the number of the build that readers use.

    `last_build` is the highest number ever used. Until `held_until` no worker feeds its builds, because one of them is being changed by
    other means. `revision` is the record's own, for compare-and-swap.
    """

    name: str
    created: datetime
    serving: int
    builds: tuple[Build, ...]
    last_build: int
    wanted: Wanted = Wanted.RUNNING
    switched_at: datetime | None = None
    skips: tuple[Skip, ...] = ()
    parked: tuple[Parked, ...] = ()
    held_until: datetime | None = None
    revision: int = 0

    @property
    def serving_build(self) -> Build:
        """The build that readers use."""
        return self.build(self.serving)

    @property
    def rebuilding(self) -> Build | None:
        """The newest build that is still being filled beside the one that serves."""
        beside = [build for build in self.builds if build.completed is None and build.number != self.serving]
        return beside[-1] if beside else None

    def superseded(self, generation: int) -> tuple[Build, ...]:
        """The builds that were begun for another generation of the stream than this one, which serves, and never completed."""
        return tuple(
            build for build in self.builds if build.completed is None and build.number != self.serving and build.generation != generation
        )

    def begun_by(self, owner: str, *, version: int, generation: int) -> Build | None:
        """The newest build that `owner` has begun for this version and generation, and not completed."""
        for build in reversed(self.builds):
            if build.completed is None and (build.owner, build.version, build.generation) == (owner, version, generation):
                return build if build.number != self.serving else None
        return None

    @property
    def failure(self) -> Failure | None:
        """Why the serving build stopped, if it did."""
        return self.serving_build.failure

    def fed(self, *, version: int, generation: int) -> Build:
        """The build that workers of this version feed while this generation serves: the one that serves, or its replacement."""
        serving = self.serving_build
        if version <= serving.version and generation == serving.generation:
            return serving
        return self.begun_by("", version=version, generation=generation) or serving

    def stopped_at(self, sequence: int) -> Build | None:
        """The newest build that stopped at this event, if any did."""
        return next((build for build in reversed(self.builds) if build.failure and build.failure.sequence == sequence), None)

    def left_out(self, generation: int) -> frozenset[int]:
        """The sequences that no build of this generation applies: those left out for good, and those that are parked."""
        skips = [skip.sequence for skip in self.skips if skip.generation == generation]
        return frozenset([*skips, *(parked.sequence for parked in self.parked if parked.generation == generation)])

    def build(self, number: int) -> Build:
        """One build. Raises InvalidInput where it was dropped or never begun."""
        for build in self.builds:
            if build.number == number:
                return build
        raise InvalidInput(f"{self.name} has no build {number}; it has {', '.join(str(build.number) for build in self.builds)}.")

    def with_build(self, changed: Build) -> ProjectionRecord:
        """The record with this build in the place of the one with its number, or added."""
        others = tuple(build for build in self.builds if build.number != changed.number)
        builds = tuple(sorted((*others, changed), key=lambda build: build.number))
        return replace(self, builds=builds, last_build=max(self.last_build, changed.number))


def to_bytes(record: ProjectionRecord) -> bytes:
    """The value that is stored for a record; its name and revision are the entry's."""
    value = _plain(record)
    del value["name"], value["revision"]
    return encode(value)


def to_record(entry: KvEntry) -> ProjectionRecord:
    """The record in an entry of the bucket. Raises InvalidInput where it holds none."""
    remedy = "The bucket keeps its revisions; put the last one back that can be read."
    return parse_record(entry, lambda given: _to_record(entry, given), remedy=remedy)


def _to_record(entry: KvEntry, given: dict[str, Value]) -> ProjectionRecord:
    return ProjectionRecord(
        name=entry.key,
        created=parse_time(cast(str, given["created"])),
        serving=of_type(given["serving"], int),
        builds=tuple(_to_build(build) for build in cast("list[dict[str, Value]]", given["builds"])),
        last_build=of_type(given["last_build"], int),
        wanted=Wanted(cast(str, given["wanted"])),
        switched_at=_to_time(given["switched_at"]),
        skips=tuple(_to_skip(skip) for skip in cast("list[dict[str, Value]]", given["skips"])),
        parked=tuple(_to_parked(parked) for parked in cast("list[dict[str, Value]]", given.get("parked", []))),
        held_until=_to_time(given.get("held_until")),
        revision=entry.revision,
    )


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        return format_time(value)
    return value.value if isinstance(value, StrEnum) else value


def _to_build(given: dict[str, Value]) -> Build:
    return Build(
        number=cast(int, given["number"]),
        version=cast(int, given["version"]),
        started=parse_time(cast(str, given["started"])),
        completed=_to_time(given["completed"]),
        left=_to_time(given.get("left")),
        failure=_to_failure(given["failure"]),
        last_failure=_to_failure(given["last_failure"]),
        generation=cast(int, given.get("generation", 1)),
        owner=cast(str, given.get("owner", "")),
        comparison=_to_comparison(given.get("comparison")),
    )


def _to_failure(given: Value) -> Failure | None:
    if not isinstance(given, dict):
        return None
    return Failure(**{**cast("dict[str, Any]", given), "since": parse_time(cast(str, given["since"]))})


def _to_comparison(given: Value) -> Comparison | None:
    if not isinstance(given, dict):
        return None
    fields = cast("dict[str, Any]", given)
    samples = tuple((kind, key) for kind, key in fields["samples"])
    return Comparison(**{**fields, "at": parse_time(fields["at"]), "fields": tuple(fields["fields"]), "samples": samples})


def _to_parked(given: dict[str, Value]) -> Parked:
    return Parked(**{**cast("dict[str, Any]", given), "at": parse_time(cast(str, given["at"]))})


def _to_skip(given: dict[str, Value]) -> Skip:
    return Skip(**{**cast("dict[str, Any]", given), "at": parse_time(cast(str, given["at"]))})


def _to_time(given: Value) -> datetime | None:
    return parse_time(given) if isinstance(given, str) else None
