"""This package is sagas: processes over several aggregates, declared as steps, carried out and compensated by workers, kept as events."""

from .carrying_out import advance
from .definition import Retry, Saga, SagaCommand, Step, Trigger
from .moves import next_move
from .progress import Phase, SagaStatus, aggregate_of, handler_of_saga, status_of, step_of
from .running import SagaProcess

__all__ = [
    "Phase",
    "Retry",
    "Saga",
    "SagaCommand",
    "SagaProcess",
    "SagaStatus",
    "Step",
    "Trigger",
    "advance",
    "aggregate_of",
    "handler_of_saga",
    "next_move",
    "status_of",
    "step_of",
]
