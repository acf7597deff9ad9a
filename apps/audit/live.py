"""This module is the live part of the audit pages: how far each stream is verified, and the operator trail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

from apps.accounts.holder import holder_of
from apps.live.frames import Frame, Refresh, render
from apps.live.sources import source
from apps.persistence.drift import read_drift
from apps.persistence.store import Store

from .checkpoints import Checkpoints, read_checkpoints
from .heads import read_heads
from .proof import StreamProof, drift_of_stream, read_proof, read_proofs
from .schedules import read_schedules
from .trail import read_newest

LOOK_SECONDS = 1.0


@source("audit", permission="audit.view")
async def audit(store: Store, argument: str) -> AsyncGenerator[Sequence[Frame], None]:
    """Every stream with chains, with the buttons of the role that the argument names."""
    while True:
        cards = [card(proof, role=argument) for proof in await read_proofs(store)]
        found, holder = await read_drift(store), holder_of(argument)
        drift = render("audit/_drift.html", id="audit-drift", drift=found, user=holder)
        schedules = render("audit/_schedules.html", id="audit-schedules", schedules=await read_schedules(store), drift=found, user=holder)
        yield [*cards, drift, schedules, render("audit/_trail.html", id="audit-trail", deeds=await read_newest(store))]
        await asyncio.sleep(LOOK_SECONDS)


@source("audit-stream", permission="audit.view")
async def audit_stream(store: Store, argument: str) -> AsyncGenerator[Sequence[Frame], None]:
    """`ROLE/STREAM`: one stream; the page fetches itself again after each verification."""
    role, _, name = argument.partition("/")
    looked_at, checkpoints = -1, Checkpoints()
    while True:
        proof = await read_proof(store, name)
        newest = proof.coverage.published.revision if proof.coverage.published else 0
        if newest != looked_at:
            looked_at, checkpoints = newest, await read_checkpoints(store, proof.coverage)
        yield [
            card(proof, role=role),
            render("audit/_log.html", id=f"log-{name}", coverage=proof.coverage, user=holder_of(role)),
            render(
                "audit/_checkpoints.html",
                id=f"checkpoints-{name}",
                name=name,
                checkpoints=checkpoints,
                coverage=proof.coverage,
                user=holder_of(role),
            ),
            render("audit/_drift.html", id=f"drift-{name}", drift=await drift_of_stream(store, name), stream=name, user=holder_of(role)),
            render("audit/_heads.html", id=f"heads-{name}", heads=await read_heads(store, name), name=name, user=holder_of(role)),
            Refresh(id="audit-verified", revision=proof.revision),
        ]
        await asyncio.sleep(LOOK_SECONDS)


def card(proof: StreamProof, *, role: str) -> Frame:
    """The strip of one stream and what is known of it."""
    return render("audit/_stream.html", id=f"audit-{proof.name}", proof=proof, user=holder_of(role))
