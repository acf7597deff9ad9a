"""This module is the pages of documentation as tests read them: their blocks, tables, commands and what they name."""

from __future__ import annotations

import re
import shlex
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "docs/api.md",
    "docs/architecture.md",
    "docs/auditing.md",
    "docs/glossary.md",
    "docs/how-to.md",
    "docs/operating.md",
    "docs/organization.md",
    "docs/persistence.md",
    "docs/tutorial.md",
    "docs/which-repository.md",
)
OWN_TOPS = ("apps/", "cimadmin/", "tests/", "templates/", "static/", "deploy/", "docs/", ".ci/")
OWN_SUFFIXES = (".py", ".md", ".yml", ".lock", ".in", ".toml", ".html", ".css", ".js", ".conf", ".png")

_BLOCK = re.compile(r"^```(\w*)(?: file=\S+)?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"^```\w* file=(\S+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")


@cache
def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str, language: str) -> list[str]:
    """The blocks of one language ("" for those without one), in order."""
    return [text for found, text in _BLOCK.findall(read(page)) if found == language]


def files(page: str) -> list[tuple[str, str]]:
    """The names and texts of the blocks that the reader is told to save as files."""
    return _FILE.findall(read(page))


def spans(page: str) -> list[str]:
    """What stands between single backticks, outside of blocks."""
    return _SPAN.findall(_BLOCK.sub("", read(page)))


def links(page: str) -> list[str]:
    """Where the page's links lead, without addresses elsewhere."""
    return [target for target in _LINK.findall(_BLOCK.sub("", read(page))) if "://" not in target]


def section(page: str, heading: str) -> str:
    """What stands under a heading of the second level."""
    return read(page).split(f"\n## {heading}\n")[1].split("\n## ")[0]


def rows(text: str) -> list[list[str]]:
    """The cells of the tables in a text, without heads and rules."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    is_rule = [set(line) <= set("| -") for line in lines]
    heads = {number - 1 for number, rule in enumerate(is_rule) if rule}
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for number, line in enumerate(lines)
        if not is_rule[number] and number not in heads
    ]


def names_in(text: str) -> list[str]:
    """What stands between single backticks in a piece of a page."""
    return _SPAN.findall(text)


def commands(page: str) -> list[list[str]]:
    """Every command of the page, in blocks of shell and in spans, as words; the variables before one are left out."""
    lines = [line for block in blocks(page, "sh") for line in block.splitlines() if line.strip()]
    lines += [
        span for span in spans(page) if re.match(r"(python3?|\.venv/bin/python|docker|manage\.py|run\.py) ", span) or "manage.py " in span
    ]
    words = [shlex.split(line) for line in lines]
    return [[word for place, word in enumerate(one) if place or not re.match(r"[A-Z_]+=", word)] for one in map(_without_variables, words)]


def _without_variables(words: list[str]) -> list[str]:
    while words and re.match(r"[A-Z_]+=", words[0]):
        words = words[1:]
    return words


def paths(page: str) -> set[str]:
    """The files and folders of ours that the page names, without patterns and places to be filled in."""
    named = [word for span in spans(page) for word in span.split()]
    plain = {name.rstrip(",;:") for name in named if not re.search(r"[<>{}*…=]|://", name)}
    return {name for name in plain if name.startswith(OWN_TOPS) or ("/" not in name and name.endswith(OWN_SUFFIXES))}


@cache
def tracked() -> frozenset[str]:
    """Every file that git tracks or would track, from the root of the repository."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True)
    return frozenset(listed.stdout.splitlines())


def is_there(path: str) -> bool:
    """Whether a path from the root, or a bare file name anywhere, is tracked."""
    if path.endswith("/"):
        return any(name.startswith(path) for name in tracked())
    return any(name == path or name.startswith(f"{path}/") or name.endswith(f"/{path}") for name in tracked())


def paths_in_tree(tree: str) -> list[str]:
    """The paths in a drawn tree: two spaces for each level, several names on a line where two spaces or a comma part them."""
    found, above = [], [""]
    for line in tree.splitlines():
        level = (len(line) - len(line.lstrip())) // 2
        parent = "".join(above[: level + 1])
        names = re.split(r" {3,}", line.strip(), maxsplit=1)
        own = names[0].split("  ")
        described = re.findall(r"(?<![\w/])[\w-]+(?:/|\.md)(?=[,\s]|$)", names[1]) if len(names) > 1 and own[0].endswith("/") else []
        found += [f"{parent}{name}" for name in own] + [f"{parent}{own[0]}{name}" for name in described]
        above = [*above[: level + 1], own[0]]
    return found
