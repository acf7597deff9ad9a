"""This module is whether somebody fills a build that is not complete: the run that began it, or a worker by itself, or nobody any more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from ..store import Connection
from .definition import ProjectionDefinition
from .placing import placed
from .record import Build, ProjectionRecord


class Filling(StrEnum):
    """Whether somebody is filling a build that is not complete, in the words that people see."""

    FILLING = "Filling"
    WAITING = "Waits for a worker"
    PAUSED = "Paused"
    STOPPED = "Stopped"
    SUPERSEDED = "Superseded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """Who is at work: how many workers are alive, None where that is not known, and what a run, by its id, does to the build it fills."""

    workers_alive: int | None = None
    filling_by: Callable[[str], Awaitable[Filling]] | None = None


NOBODY_ASKED = Crew()


async def filling_of(
    connection: Connection, definition: ProjectionDefinition, record: ProjectionRecord, build: Build, crew: Crew
) -> Filling:
    """Who fills a build that is not complete: the run that began it, or a worker by itself where the code is newer than what serves.

    Nobody does where it was begun for a generation of the stream that does not serve: it is superseded.
    """
    serving, here = record.serving_build, placed(connection, definition)
    if build.generation != here.generation:
        return Filling.SUPERSEDED
    if build.failure is not None:
        return Filling.STOPPED
    if build.owner and crew.filling_by is not None:
        found = await crew.filling_by(build.owner)
    elif crew.filling_by is None:
        found = Filling.FILLING
    else:
        is_newer = definition.version > serving.version or here.generation != serving.generation
        found = Filling.FILLING if is_newer else Filling.STOPPED
    return Filling.WAITING if found is Filling.FILLING and crew.workers_alive == 0 else found
