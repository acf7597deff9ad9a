"""This package is the order: from a draft that is put together to goods on their way, or cancelled before."""

from .aggregate import ORDER, Line, lines_of, status_of, total_of
from .commands import ORDER_COMMANDS, decide_order
from .contexts import ORDER_CONTEXTS
from .queries import ORDER_QUERIES
from .status import ORDER_MACHINE, OrderStatus

__all__ = [
    "ORDER",
    "ORDER_COMMANDS",
    "ORDER_CONTEXTS",
    "ORDER_MACHINE",
    "ORDER_QUERIES",
    "Line",
    "OrderStatus",
    "decide_order",
    "lines_of",
    "status_of",
    "total_of",
]
