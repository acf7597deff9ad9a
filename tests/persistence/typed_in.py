"""This module is a person at Python's asynchronous shell: it types in the code of a page and compares what the shell answers."""

from __future__ import annotations

import ast
import asyncio
import codeop
import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from types import FunctionType

_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_ANSWER = "# -> "


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A statement of the page, the answers that stand behind it there, and those that the shell gave."""

    statement: str
    promised: list[str]
    given: list[str]


def python_blocks(page: str) -> list[str]:
    """The blocks of Python in a Markdown page, in order."""
    return _BLOCK.findall(page)


async def type_in(blocks: list[str]) -> list[Exchange]:
    """Run the blocks one after the other in one namespace, each statement as a task of its own, as `python -m asyncio` does."""
    known: dict[str, object] = {"__name__": "__main__"}
    exchanges = []
    for block in blocks:
        for statement, code in _statements(block):
            exchanges.append(await _run(statement, FunctionType(code, known)))
    return exchanges


def _statements(block: str) -> Iterator[tuple[str, object]]:
    """Line by line, each statement as soon as the shell takes it for complete. Raises SyntaxError where it would refuse a line."""
    compiler = codeop.CommandCompiler()
    compiler.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    lines: list[str] = []
    for line in [*block.splitlines(), ""]:
        lines.append(line)
        text = "\n".join(lines)
        code = compiler(text, "<page>", "single") if text.strip() else None
        if code is not None:
            yield text.strip(), code
        if code is not None or not text.strip():
            lines = []
    if lines:
        raise SyntaxError(f"The page ends inside a statement: {lines}")


async def _run(statement: str, function: FunctionType) -> Exchange:
    given: list[str] = []
    hook, sys.displayhook = sys.displayhook, lambda value: given.append(repr(value)) if value is not None else None
    try:
        result = function()
        if inspect.iscoroutine(result):
            await asyncio.create_task(result)
    finally:
        sys.displayhook = hook
    promised = [line.partition(_ANSWER)[2].strip() for line in statement.splitlines() if _ANSWER in line]
    return Exchange(statement=statement, promised=promised, given=given)
