"""This module is the aggregate as the store sees it: its name and its head."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..encoding import Cid
from ..errors import InvalidInput
from ..subjects import check_token


@dataclass(frozen=True, slots=True)
class AggregateRef:
    """The name of one aggregate: the context it belongs to, its type, and its id. Written `sales.order.7f3c91e0`."""

    context: str
    type: str
    id: str

    def __post_init__(self) -> None:
        check_token(self.context, "a context")
        check_token(self.type, "an aggregate type")
        check_token(self.id, "an aggregate id")

    def __str__(self) -> str:
        return f"{self.context}.{self.type}.{self.id}"

    @classmethod
    def parse(cls, text: str) -> AggregateRef:
        """Read `context.type.id`. Raises InvalidInput."""
        tokens = text.split(".")
        if len(tokens) != 3:
            raise InvalidInput(f"{text[:80]!r} names no aggregate; write it as context.type.id, such as sales.order.7f3c91e0.")
        return cls(*tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The newest event of an aggregate: its version and CID. Version 0 and no CID: the aggregate does not exist yet.

    `stream` is where it was read, empty where nobody said: a head of one stream cannot be appended to in another.
    """

    aggregate: AggregateRef
    version: int = 0
    cid: Cid | None = None
    stream: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if (self.version == 0) != (self.cid is None) or self.version < 0:
            raise InvalidInput(f"A head at version {self.version} {'needs' if self.cid is None else 'cannot have'} a CID.")
