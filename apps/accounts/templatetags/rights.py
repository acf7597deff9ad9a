"""This module is what templates ask about rights: `can`, and a button that stays visible with the reason why it cannot be used."""

from __future__ import annotations

from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ..backend import role_of
from ..roles import least_role

register = template.Library()


@register.simple_tag(takes_context=True)
def can(context: dict[str, Any], permission: str) -> bool:
    """Whether the signed-in person holds the permission: `{% can "projections.pause" as may_pause %}`."""
    user = context.get("user")
    least_role(permission)
    return bool(user and user.has_perm(permission))


@register.simple_tag
def locked(words: str, permission: str) -> SafeString:
    """The button of an act whose permission is lacking."""
    return disabled(words, f"Needs the {least_role(permission)} role.")


@register.simple_tag
def disabled(words: str, reason: str) -> SafeString:
    """A button that cannot be used now; the reason shows on hover and on focus, and is part of what is read out."""
    button = '<button type="button" class="button" aria-disabled="true">{} <span class="reason">{}</span></button>'
    return format_html(button, words, reason)


@register.filter
def role(person: Any) -> str:
    """The role's name, or "no role"."""
    found = role_of(person)
    return found.value if found else "no role"
