"""This module is the template tag that shows stored bytes on any page as the page of an event does: decoded, else as text or bytes."""

from __future__ import annotations

from typing import Any

from django import template
from django.template import RequestContext

from apps.persistence.store import Message
from apps.streams.hexdump import dump
from apps.streams.payload import decode_payload
from apps.streams.tree_html import tree_html

register = template.Library()


@register.inclusion_tag("streams/_value.html", takes_context=True)
def payload(context: RequestContext, message: Message, is_full: bool = False) -> dict[str, Any]:
    """What a message holds, by what its writer declared or by trial; about 20 KB of it unless `is_full`."""
    decoded = decode_payload(message.data, message.headers if message.raw_headers else {}, is_full=is_full)
    is_bytes = decoded.tree is None and decoded.text is None
    return {
        "request": context.get("request"),
        "decoded": decoded,
        "tree": tree_html(decoded.tree) if decoded.tree else None,
        "dump": dump(message.data, is_full=is_full) if is_bytes and message.data else None,
    }
