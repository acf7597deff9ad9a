"""This package is how an order becomes goods on their way: its payment, and the saga over order, payment and stock."""

from .payment import PAYMENT, decide_payment
from .saga import FULFILMENT

__all__ = ["FULFILMENT", "PAYMENT", "decide_payment"]
