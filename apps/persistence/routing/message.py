"""This module is a message as routing sees it: a subject, a payload and headers, wherever it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..subjects import check_subject

AGGREGATE = "Cim-Aggregate"
VERSION = "Cim-Version"
EVENT_ID = "Cim-Event-Id"
CID = "Cim-Cid"
CORRELATION = "Cim-Correlation"
ACTOR = "Cim-Actor"
TIME = "Cim-Time"
"""The headers that say which event a message is made of, and who caused it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NatsMessage:
    """One message. Raises InvalidSubject where its subject is none, or a pattern."""

    subject: str
    payload: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_subject(self.subject)
