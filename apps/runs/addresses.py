"""This module is the addresses that carry an operation's parameters."""

from __future__ import annotations

from collections.abc import Mapping

from django.http import QueryDict
from django.urls import reverse

from apps.persistence.encoding import Value


def review_url(operation: str, parameters: Mapping[str, Value]) -> str:
    """The review of an operation with these parameters."""
    query = QueryDict(mutable=True)
    for name, value in parameters.items():
        if isinstance(value, list):
            query.setlist(name, [str(one) for one in value])
        elif value is not None:
            query[name] = ("on" if value else "off") if isinstance(value, bool) else str(value)
    return f"{reverse('runs:review', args=[operation])}?{query.urlencode()}"
