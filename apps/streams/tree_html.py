"""This module is the tree of a payload as HTML: nested `<details>` that open without JavaScript; every text escaped."""

from __future__ import annotations

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from .tree import Node

OPEN_LEVELS = 3
OPEN_ENTRIES = 40
_WORDS = {"map": ("entry", "entries"), "list": ("item", "items")}


def tree_html(node: Node) -> SafeString:
    """One `<div class="tree">`. Only markup of this module is unescaped."""
    parts: list[str] = ['<div class="tree">']
    _write(node, parts, level=0)
    parts.append("</div>")
    return mark_safe("".join(parts))


def _write(node: Node, parts: list[str], *, level: int) -> None:
    key = f"<b>{escape(node.key)}</b>" if node.key is not None else ""
    if not node.is_branch:
        parts.append(f'<div class="leaf">{key}{_value(node)}</div>')
        return
    if not node.children and not node.hidden:
        parts.append(f'<div class="leaf">{key}<code data-type="null">{"[]" if node.kind == "list" else "{}"}</code></div>')
        return
    is_open = (level < OPEN_LEVELS and len(node.children) <= OPEN_ENTRIES) or level == 0
    parts.append(f"<details{' open' if is_open else ''}><summary>{key}{_summary(node)}</summary>")
    for child in node.children:
        _write(child, parts, level=level + 1)
    if node.hidden:
        parts.append(f'<div class="leaf" data-type="hidden">{node.hidden:,} more not shown</div>')
    parts.append("</details>")


def _summary(node: Node) -> str:
    if node.kind == "tag":
        return f"<span>{escape(node.text)}</span>"
    one, many = _WORDS[node.kind]
    return f"<span>{node.size:,} {one if node.size == 1 else many}</span>"


def _value(node: Node) -> str:
    rest = f' <i class="aside">{node.hidden:,} more not shown</i>' if node.hidden else ""
    if node.kind == "bytes":
        return f'<code data-type="bytes">h\'{escape(node.text)}\'</code> <i class="aside">{node.size:,} bytes</i>{rest}'
    if node.kind == "link":
        name = escape(node.text)
        return f'<code data-type="link" title="A link: the CID of another block">{name}</code>'
    return f'<code data-type="{escape(node.kind)}">{escape(node.text)}</code>{rest}'
