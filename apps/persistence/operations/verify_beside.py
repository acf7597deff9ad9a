"""This module is what is held beside a stream while it is verified: its list of heads, and the operator trail of its generations."""

from __future__ import annotations

from collections.abc import Collection

from ..chain import Beside, Cause, Finding
from ..store import Store
from ..work.vouching import vouch
from .verify_heads import look_at_heads


async def look_beside(store: Store, causes: Collection[Cause]) -> Beside:
    """What both say of the stream; `causes` are those found already. Raises Unavailable."""
    trail, heads = await look_at_trail(store), await look_at_heads(store, causes)
    return Beside(
        findings=(*trail.findings, *heads.findings),
        proves=(*trail.proves, *heads.proves),
        does_not_prove=(*trail.does_not_prove, *heads.does_not_prove),
    )


async def look_at_trail(store: Store) -> Beside:
    """Whether the operator trail vouches for the generation that the stream is. Raises Unavailable."""
    layout = store.layout
    vouched = await vouch(store, layout)
    if vouched.is_open:
        return Beside(does_not_prove=(f"That {layout.stream} is to serve: a run is at it just now. Verify it again once that has ended.",))
    if vouched.why_not:
        found = Finding(
            cause=Cause.NOT_VOUCHED,
            aggregate=None,
            version=None,
            sequence=None if vouched.is_made else 1,
            expected="a run of an operator",
            found="none that made it serve",
            explanation=vouched.why_not,
        )
        return Beside(findings=(found,))
    if layout.generation == 1:
        return Beside()
    return Beside(proves=(f"{layout.stream} was made by a run that the operator trail names, and that somebody confirmed.",))
