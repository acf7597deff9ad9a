"""This module is the addresses of pages that there are for the home connection and, below its name, for each observed one."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse


def address_at(observed: str, view: str, *args: object) -> str:
    """The address of a view such as `streams:stream`; `observed` is the name of an observed connection, or nothing for home."""
    return reverse(f"at:{view}", args=[observed, *args]) if observed else reverse(view, args=args)


def observed_in(request: HttpRequest) -> str:
    """The observed connection whose page this is; nothing on pages of the home connection."""
    match = request.resolver_match
    name = match.kwargs.get("connection", "") if match is not None else ""
    return name if name in settings.CIM_OBSERVED else ""
