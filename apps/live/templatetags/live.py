"""This module is the tag by which a page says what it looks at."""

from __future__ import annotations

from django import template
from django.template.context import RequestContext
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.live.messages import sign_topics
from apps.live.sources import source_of

register = template.Library()


@register.simple_tag(takes_context=True)
def live(context: RequestContext, *topics: str) -> SafeString:
    """The page's topics, signed for the person who looks at it; nothing for somebody signed out, or without the right to look.

    Raises UnknownTopic for a topic that no source serves.
    """
    user = context["request"].user
    permissions = {topic: source_of(topic).permission for topic in topics}
    allowed = tuple(topic for topic, permission in permissions.items() if permission is None or user.has_perm(permission))
    if not user.is_authenticated or not allowed:
        return SafeString("")
    return format_html('<div data-live-topics="{}" hidden></div>', sign_topics(user.pk, allowed))
