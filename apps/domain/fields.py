"""This module is reading a command's payload, field by field, into typed values: what is missing, wrong or unknown is refused by name."""

from __future__ import annotations

from collections.abc import Mapping

from apps.persistence.encoding import Value
from apps.persistence.errors import InvalidInput

from .values import Money, Text


class Fields:
    """The fields of one payload. Read what is expected, then `finish`, which refuses what nobody read."""

    def __init__(self, payload: Mapping[str, Value]) -> None:
        self._left = dict(payload)

    def text(self, name: str) -> str:
        """A text. Raises InvalidInput."""
        value = self._take(name)
        if not isinstance(value, str):
            raise InvalidInput(f"{name} is {value!r}; it must be text.")
        return value

    def integer(self, name: str) -> int:
        """A whole number. Raises InvalidInput."""
        value = self._take(name)
        if type(value) is not int:
            raise InvalidInput(f"{name} is {value!r}; it must be a whole number.")
        return value

    def line(self, name: str) -> Text:
        """One line of text for people."""
        return Text(self.text(name))

    def money(self, name: str) -> Money:
        """`{"cents": 1250, "currency": "EUR"}`."""
        inner = self._inner(name)
        money = Money(inner.integer("cents"), inner.text("currency"))
        inner.finish()
        return money

    def finish(self) -> None:
        """Raises InvalidInput if a field is left that nobody knows."""
        if self._left:
            raise InvalidInput(f"The command holds {', '.join(sorted(self._left))}, which it does not take.")

    def _inner(self, name: str) -> Fields:
        value = self._take(name)
        if not isinstance(value, dict):
            raise InvalidInput(f"{name} is {value!r}; it must be a map.")
        return Fields(value)

    def _take(self, name: str) -> Value:
        if name not in self._left:
            raise InvalidInput(f"The command lacks {name}.")
        return self._left.pop(name)
