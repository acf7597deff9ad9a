"""This module is the tag by which a page says what it looks at."""

from __future__ import annotations

from django import template
from django.template.context import RequestContext
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.keeper import HOME
from apps.live.messages import sign_topics
from apps.live.sources import parse_topic, source_of, topic_at

register = template.Library()


@register.simple_tag(takes_context=True)
def live(context: RequestContext, *topics: str) -> SafeString:
    """The page's topics, signed for the person who looks at it; nothing for somebody signed out, or without the right to look.

    On a page of an observed connection they are looked at there, if their source can.

    Raises UnknownTopic for a topic that no source serves.
    """
    user = context["request"].user
    place = context.get("observed") or HOME
    permissions = {_topic_here(topic, place): source_of(topic).permission for topic in topics}
    allowed = tuple(topic for topic, permission in permissions.items() if permission is None or user.has_perm(permission))
    if not user.is_authenticated or not allowed:
        return SafeString("")
    return format_html('<div data-live-topics="{}" hidden></div>', sign_topics(user.pk, allowed))


def _topic_here(topic: str, place: str) -> str:
    """The topic on the page's connection, unless it names one already or can be looked at on the home connection alone."""
    said = parse_topic(topic)
    return topic_at(place, topic) if said.connection == HOME and said.source.observes else topic
