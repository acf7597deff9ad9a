"""This module is what operators and auditors of the product do to find an attack, and what they are told.

They verify the stream, as `verify` and its pages do: chain, kept log, published checkpoint, signer, witness, manifest of heads and operator
trail in one verdict. They bring the checkpoint that they kept. And the signer goes on signing, or refuses to.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial

from apps.persistence.chain import Cause, Verdict, verify_stream
from apps.persistence.errors import PersistenceError, StreamNotFound
from apps.persistence.log.anchors import AnchorSource
from apps.persistence.log.feeding import LogFeeder
from apps.persistence.log.judging import Standing, judge_checkpoint
from apps.persistence.operations.verify_beside import look_beside
from apps.persistence.work.vouching import find_candidates

from .attacks import Struck
from .stage import TURN_SECONDS, Scene


class Layer(StrEnum):
    """What found it: in the verdict a fault of the events themselves, the log on the server, what the signer or the witness answered, a
    manifest of heads, the operator trail; besides it a checkpoint that an auditor kept, the signer that refused to go on, the watch over
    settings, and the server that does not start.
    """

    CHAIN = "chain"
    LOG = "log"
    SIGNER = "signer"
    WITNESS = "witness"
    HEADS = "heads"
    TRAIL = "trail"
    AUDITOR = "auditor"
    REFUSAL = "refusal"
    DRIFT = "drift watch"
    SERVER = "server"


_SOURCES = {AnchorSource.PUBLISHED: Layer.LOG, AnchorSource.SIGNER: Layer.SIGNER, AnchorSource.WITNESS: Layer.WITNESS}
_CAUSES = {Cause.OMITTED: Layer.HEADS, Cause.LIST_GONE: Layer.HEADS, Cause.NOT_TRUSTED: Layer.SIGNER, Cause.NOT_VOUCHED: Layer.TRAIL}
_OF_THE_LOG = frozenset({Cause.HISTORY_REWRITTEN, Cause.TAIL_CUT})
"""Found by whoever says otherwise, else by the kept log alone. Every other cause is a fault of the chain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """What was said of an attack, by whom, the first bad sequence where one was named, and after how many seconds."""

    layers: tuple[Layer, ...]
    sequence: int | None
    words: str
    seconds: float = 0.0


async def look_everywhere(scene: Scene, struck: Struck) -> list[Alarm]:
    """Everything that can be done about a stream, each alarm with the seconds until it came."""
    looks = [look_as_operator, look_as_auditor]
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
    struck = Struck(store=scene.store, first=None, kept=scene.kept)
    alarms = [await look(scene, struck) for look in (look_as_operator, look_as_auditor)]
    return [alarm.words for alarm in alarms if alarm is not None]


async def look_as_operator(scene: Scene, struck: Struck) -> Alarm | None:
    """Verify the whole stream, knowing the log's key and the witness from elsewhere than the server."""
    try:
        verdict = await verify_stream(struck.store, trust=scene.trust, beside=partial(look_beside, struck.store))
    except StreamNotFound as error:
        return Alarm(layers=(Layer.LOG,), sequence=1, words=str(error))
    if verdict.intact:
        return None
    words = verdict.first_bad.explanation if verdict.first_bad else f"{verdict.finding_count:,} findings"
    return Alarm(layers=_layers_of(verdict), sequence=verdict.first_bad_sequence, words=f"verdict: {words}")


async def look_as_auditor(_: Scene, struck: Struck) -> Alarm | None:
    """Bring the checkpoint that was kept."""
    if struck.kept is None:
        return None
    judged = await judge_checkpoint(struck.store.connection, struck.store.layout.stream, struck.kept)
    if judged.standing is Standing.EXTENDED:
        return None
    return Alarm(layers=(Layer.AUDITOR,), sequence=None, words=f"checkpoint {judged.standing}: {judged.reason}")


async def look_as_signer(scene: Scene, _: Struck) -> Alarm | None:
    """Go on logging and signing, as the worker and the signer do all the time."""
    for candidate in await find_candidates(replace(scene.store, layouts=(scene.store.declared,))):
        if candidate.why_not:
            return Alarm(layers=(Layer.REFUSAL,), sequence=None, words=f"not signed: {candidate.why_not}")
    try:
        await LogFeeder(scene.store.connection, scene.stream).feed()
        scene.now += TURN_SECONDS
        await scene.signer.look(scene.stream)
    except PersistenceError as error:
        return Alarm(layers=(Layer.REFUSAL,), sequence=None, words=f"not signed: {error}")
    return None


def _layers_of(verdict: Verdict) -> tuple[Layer, ...]:
    held = verdict.log.held if verdict.log else ()
    contradicting = {_SOURCES[AnchorSource(one.source)] for one in held if not one.holds}
    found = contradicting | {_CAUSES.get(cause, Layer.CHAIN) for cause in verdict.by_cause if cause not in _OF_THE_LOG}
    if not contradicting and any(cause in _OF_THE_LOG for cause in verdict.by_cause):
        found.add(Layer.LOG)
    return tuple(layer for layer in Layer if layer in found)
