"""This module is claims about the tree of a stream: that its first so many leaves have a certain root, and who says so.

Signed checkpoints are such claims, whoever gives them, and so is the mark of an earlier verification, which nobody signed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

from ..encoding import Value
from ..events import format_time, parse_time
from ..log.anchors import Anchor, Anchors, AnchorSource
from ..log.checkpoints import Checkpoint
from .marks import Mark
from .verdict import Held

MARK = "mark"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """`holds` is None until it is known."""

    source: str
    who: str
    size: int
    root: bytes
    at: datetime | None
    holds: bool | None = None

    @property
    def is_signed(self) -> bool:
        return self.source != MARK

    @property
    def words(self) -> str:
        """Who says it, for a sentence."""
        when = f" on {self.at:%Y-%m-%d at %H:%M} UTC" if self.at else ""
        said = {
            AnchorSource.PUBLISHED: f"the checkpoint that {self.who} published{when}",
            AnchorSource.SIGNER: f"the signer's own answer{when}",
            AnchorSource.WITNESS: f"what the witness {self.who} cosigned{when}",
            AnchorSource.BROUGHT: f"the checkpoint that was brought ({self.who})",
            MARK: f"the mark of the verification by {self.who}{when}",
        }
        return said.get(self.source, self.who)

    def judged(self, *, holds: bool) -> Claim:
        return replace(self, holds=holds)

    def held(self) -> Held:
        return Held(source=str(self.source), who=self.who, size=self.size, root=self.root, at=self.at, holds=bool(self.holds))


def claims_of(anchors: Anchors, mark: Mark | None) -> list[Claim]:
    """Every claim about a log that has leaves, smallest first."""
    found = [
        Claim(source=one.source, who=one.who, size=one.checkpoint.size, root=one.checkpoint.root, at=one.at)
        for one in anchors.found
        if one.checkpoint.size
    ]
    if mark is not None and mark.root is not None and mark.sequence:
        found.append(Claim(source=MARK, who=mark.by, size=mark.sequence, root=mark.root, at=mark.at))
    return sorted(found, key=lambda claim: claim.size)


def anchors_to_value(anchors: Anchors) -> Value:
    """Anchors as the checkpoint of a run keeps them."""
    found: list[Value] = [
        {
            "source": str(one.source),
            "who": one.who,
            "origin": one.checkpoint.origin,
            "size": one.checkpoint.size,
            "root": one.checkpoint.root,
            "at": format_time(one.at) if one.at else None,
        }
        for one in anchors.found
    ]
    return {"found": found, "missing": list(anchors.missing), "refused": list(anchors.refused)}


def anchors_from_value(value: Value) -> Anchors:
    kept = cast("dict[str, Any]", value)
    found = [
        Anchor(
            source=AnchorSource(one["source"]),
            checkpoint=Checkpoint(origin=one["origin"], size=one["size"], root=one["root"]),
            at=parse_time(one["at"]) if one["at"] else None,
            who=one["who"],
        )
        for one in kept["found"]
    ]
    return Anchors(found=tuple(found), missing=tuple(kept["missing"]), refused=tuple(kept["refused"]))
