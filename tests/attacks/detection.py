"""This module is what operators and auditors of the product do to find an attack, and what they are told."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from enum import StrEnum

from apps.persistence.chain import verify_stream
from apps.persistence.errors import NotFound, PersistenceError
from apps.persistence.log.comparison import compare_with_stream
from apps.persistence.log.coverage import read_coverage
from apps.persistence.log.feeding import LogFeeder
from apps.persistence.log.judging import Standing, judge_checkpoint

from .attacks import Struck
from .stage import Scene


class Layer(StrEnum):
    """What found it."""

    CHAIN = "chain"
    LOG = "log"
    AUDITOR = "auditor"
    SIGNER = "signer"
    WITNESS = "witness"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """What one layer says of an attack; `sequence` is the first bad one that it names."""

    layer: Layer
    sequence: int | None
    words: str
    seconds: float


async def look_everywhere(scene: Scene, struck: Struck) -> list[Alarm]:
    """Every layer by itself, each alarm with the seconds until it came."""
    looks = [look_at_log, look_as_auditor, look_at_chain]
    if struck.store is scene.store:
        looks.append(look_as_signer)
    began = time.perf_counter()
    found: list[Alarm] = []
    for look in looks:
        alarm = await look(scene, struck)
        if alarm is not None:
            found.append(replace(alarm, seconds=time.perf_counter() - began))
    return found


async def look_while_it_runs(scene: Scene) -> list[str]:
    """What looks at any moment, while events are appended, logged and signed."""
    struck = Struck(store=scene.store, first=0, kept=scene.kept)
    alarms = [await look(scene, struck) for look in (look_as_auditor, look_at_chain)]
    return [f"{alarm.layer}: {alarm.words}" for alarm in alarms if alarm is not None]


async def look_at_chain(_: Scene, struck: Struck) -> Alarm | None:
    """Verify the whole stream by itself."""
    verdict = await verify_stream(struck.store)
    if verdict.intact or verdict.first_bad is None:
        return None
    return _alarm(Layer.CHAIN, verdict.first_bad.explanation, verdict.first_bad.sequence)


async def look_at_log(_: Scene, struck: Struck) -> Alarm | None:
    """Hold the stream against its kept tree and the newest published checkpoint."""
    connection, stream = struck.store.connection, struck.store.layout.stream
    coverage = await read_coverage(connection, stream)
    if coverage.alarm:
        return _alarm(Layer.LOG, coverage.alarm)
    signed = coverage.checkpoint.checkpoint if coverage.checkpoint else None
    try:
        compared = await compare_with_stream(connection, stream, last=coverage.last, signed=signed)
    except NotFound as error:
        return _alarm(Layer.LOG, str(error))
    if compared.agrees:
        return None
    changed = compared.first_changed
    sequence = changed[0].sequence if changed else compared.read + 1 if compared.is_cut else None
    return _alarm(Layer.LOG, f"The tree of {compared.read:,} of {compared.size:,} has another root.", sequence)


async def look_as_auditor(_: Scene, struck: Struck) -> Alarm | None:
    """Upload the checkpoint that was kept."""
    if struck.kept is None:
        return None
    judged = await judge_checkpoint(struck.store.connection, struck.store.layout.stream, struck.kept)
    return None if judged.standing is Standing.EXTENDED else _alarm(Layer.AUDITOR, f"{judged.standing}: {judged.reason}")


async def look_as_signer(scene: Scene, _: Struck) -> Alarm | None:
    """Go on logging and signing, as the worker and the signer do all the time."""
    try:
        await LogFeeder(scene.store.connection, scene.stream).feed()
        scene.now += 3600
        await scene.signer.look(scene.stream)
    except PersistenceError as error:
        return _alarm(Layer.SIGNER, str(error))
    return None


def _alarm(layer: Layer, words: str, sequence: int | None = None) -> Alarm:
    return Alarm(layer=layer, sequence=sequence, words=words, seconds=0.0)
