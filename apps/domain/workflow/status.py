"""This module is the life of a workflow as a table; where it stands in its definition's graph is another matter."""

from __future__ import annotations

from enum import StrEnum

from ..machine import StateMachine


class WorkflowStatus(StrEnum):
    """How a workflow goes."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"


_S = WorkflowStatus

WORKFLOW_MACHINE = StateMachine(
    what="workflow",
    transitions={
        _S.ACTIVE: frozenset({_S.SUSPENDED, _S.COMPLETED, _S.CANCELLED, _S.FAILED}),
        _S.SUSPENDED: frozenset({_S.ACTIVE, _S.CANCELLED, _S.FAILED}),
        _S.COMPLETED: frozenset(),
        _S.CANCELLED: frozenset(),
        _S.FAILED: frozenset({_S.ACTIVE, _S.CANCELLED, _S.FAILED}),
    },
)
