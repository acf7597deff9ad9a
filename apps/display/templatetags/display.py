"""This module is the tags and filters for what pages show: figures, times, identifiers, states, icons. Loaded in every template."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import Any

from django import forms, template
from django.template.context import Context
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe

from .. import figures, places

PILLS_KEPT = 512

register = template.Library()
register.filter("count", figures.count)
register.filter("size", figures.size)
register.filter("rate", figures.rate)
register.filter("span", figures.span)
register.filter("figure", figures.figure)


@register.filter
def words(name: str) -> str:
    """A name of the code as words: from_sequence becomes From sequence."""
    text = name.replace("_", " ")
    return text[:1].upper() + text[1:]


@register.simple_tag(takes_context=True)
def place(context: Context, view: str, *args: object) -> str:
    """The address of a page on the connection that is looked at: `{% place "streams:stream" stream.name %}`."""
    return places.address_at(context.get("observed") or "", view, *args)


@register.simple_tag
def ago(moment: datetime | None) -> SafeString | str:
    """How long ago, with the exact moment on hover and focus; `console.js` keeps it true."""
    if moment is None:
        return figures.NOTHING
    exact = f"{figures.day(moment)} {figures.clock(moment)} UTC"
    return format_html('<time datetime="{}" title="{}" data-ago>{}</time>', figures.iso(moment), exact, figures.ago(moment))


@register.simple_tag
def at(moment: datetime | None, part: str = "") -> SafeString | str:
    """The exact moment in UTC, or with "time" only its clock."""
    if moment is None:
        return figures.NOTHING
    words = figures.clock(moment) if part == "time" else f"{figures.day(moment)} {figures.clock(moment)}"
    exact = figures.iso(moment)
    return mark_safe(f'<time datetime="{exact}" title="{exact}">{words}</time>')  # of digits and signs of our own alone


@register.simple_tag
def cut(text: Any, length: int = 16, copy: bool = True) -> SafeString:
    """A long identifier cut in its middle, whole in the title and by a click in the clipboard."""
    plain = str(text)
    short = figures.cut(plain, length)
    whole, shown = escape(plain), escape(short)
    if short == plain and not copy:
        return mark_safe(f'<span class="identity">{whole}</span>')
    if not copy:
        return mark_safe(f'<span class="identity" title="{whole}">{shown}</span>')
    return mark_safe(
        f'<span class="identity cut"><span title="{whole}">{shown}</span><button type="button" class="copy" data-copy="{whole}" '
        f'title="Copy {whole}">{icon("copy")}<span class="for-readers">Copy {whole}</span></button></span>'
    )


@register.simple_tag(name="copy")
def copy_button(text: Any, words: str = "Copy") -> SafeString:
    return format_html('<button type="button" class="button" data-copy="{}">{}{}</button>', str(text), icon("copy"), words)


@register.simple_tag
@lru_cache(maxsize=PILLS_KEPT)
def pill(state: str, words: str = "") -> SafeString:
    """A state as a word in its colour; there are few of them and many in a table."""
    shown = words or str(state).replace("_", " ").capitalize()
    return format_html('<span class="pill" data-state="{}">{}</span>', state, shown)


@register.simple_tag
@lru_cache(maxsize=PILLS_KEPT)
def icon(name: str) -> SafeString:
    """A symbol of static/vendor/lucide/sprite.svg; always beside a word, so readers skip it."""
    return format_html('<svg class="icon" aria-hidden="true"><use href="{}#{}"></use></svg>', static("vendor/lucide/sprite.svg"), name)


@register.simple_tag
def spark(values: Iterable[float | None], label: str = "") -> SafeString:
    """A small line of the latest values, oldest first; a gap where a value is None."""
    listed = [value for value in values]
    text = ",".join("" if value is None else f"{value:g}" for value in listed)
    return format_html('<spark-line values="{}" role="img" aria-label="{}"></spark-line>', text, label or f"{len(listed)} samples")


@register.simple_tag
def fields(form: forms.BaseForm) -> SafeString:
    """The fields of a form with their labels, help and errors."""
    return mark_safe(render_to_string("shell/_fields.html", {"form": form}))
