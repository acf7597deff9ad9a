"""This module is the reference of the persistence module, written from its docstrings into docs/reference.md.

    .venv/bin/python .ci/reference.py           write it
    .venv/bin/python .ci/reference.py --check   say whether it is what the code says; the tests ask this

So the page is also the record of what is public: a name, a parameter or a default that changes, changes it.
"""

from __future__ import annotations

import dataclasses
import difflib
import enum
import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference.md"
PACKAGE = "apps.persistence"
ALSO = ("errors", "registry", "store.embedded")
HEADING = """# Reference

Every public name of the persistence module, written from its docstrings by `.ci/reference.py`. What is not here is not public.
"""


def main() -> int:
    sys.path.insert(0, str(ROOT))
    page = "\n".join(_page()) + "\n"
    if "--check" not in sys.argv:
        PAGE.write_text(page, encoding="utf-8")
        return 0
    stored = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    changes = list(difflib.unified_diff(stored.splitlines(), page.splitlines(), "docs/reference.md", "the code", lineterm="", n=0))
    print("\n".join(changes[:40]) or "docs/reference.md is what the code says.")
    return 1 if changes else 0


def _page() -> Iterator[str]:
    yield HEADING
    for module in _modules():
        yield from _of_module(module)


def _modules() -> Iterator[ModuleType]:
    package = importlib.import_module(PACKAGE)
    names = sorted(found.name for found in pkgutil.iter_modules(package.__path__) if found.ispkg)
    for name in (*ALSO, *names):
        module = importlib.import_module(f"{PACKAGE}.{name}")
        if hasattr(module, "__all__") or name in ALSO:
            yield module


def _of_module(module: ModuleType) -> Iterator[str]:
    yield f"## `{module.__name__}`\n"
    yield f"{_first_sentences(module)}\n"
    for name in _public(module):
        yield from _of_name(name, getattr(module, name))


def _public(module: ModuleType) -> list[str]:
    if hasattr(module, "__all__"):
        return sorted(module.__all__)
    own = {name: value for name, value in vars(module).items() if not name.startswith("_")}
    return [name for name, value in own.items() if getattr(value, "__module__", None) == module.__name__]


def _of_name(name: str, value: object) -> Iterator[str]:
    if inspect.isclass(value):
        yield from _of_class(name, value)
    elif inspect.isroutine(value):
        yield f"### `{_signature(name, value)}`\n"
        yield f"{_doc(value)}\n"
    else:
        yield f"### `{name}`\n"
        yield f"`{_plain(repr(value))}`\n" if isinstance(value, str | int | float | tuple) else "A type or a value; see its module.\n"


def _of_class(name: str, value: type) -> Iterator[str]:
    bases = ", ".join(base.__name__ for base in value.__bases__ if base is not object)
    yield f"### class `{name}`{f' ({bases})' if bases else ''}\n"
    yield f"{_doc(value)}\n"
    parts = list(_parts(value))
    if parts:
        yield "\n".join(parts) + "\n"


def _parts(value: type) -> Iterator[str]:
    """The members of an enumeration, the fields of a dataclass, then properties and methods."""
    if issubclass(value, enum.Enum):
        yield from (f"* `{member.name}` = `{member.value!r}`" for member in value)
    if dataclasses.is_dataclass(value):
        yield from (_field(field) for field in dataclasses.fields(value) if not field.name.startswith("_"))
    for name, member in vars(value).items():
        function = member.__func__ if isinstance(member, classmethod | staticmethod) else member
        if name.startswith("_") or not (inspect.isfunction(function) or isinstance(member, property)):
            continue
        heading = name if isinstance(member, property) else _signature(name, function)
        doc = _doc(member.fget if isinstance(member, property) else function)
        yield f"* `{heading}`{': ' if doc else ''}{doc.replace(chr(10), ' ')}"


def _field(field: dataclasses.Field[object]) -> str:
    default = "" if field.default is dataclasses.MISSING else f" = {_plain(_repr(field.default))}"
    return f"* `{field.name}: {field.type if isinstance(field.type, str) else getattr(field.type, '__name__', field.type)}{default}`"


def _repr(value: object) -> str:
    """The same each time: a set has no order of its own."""
    return f"{type(value).__name__}({sorted(map(repr, value))})" if isinstance(value, set | frozenset) and value else repr(value)


def _signature(name: str, function: object) -> str:
    is_async = inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
    try:
        signature = str(inspect.signature(function))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        signature = "(…)"
    return _plain(f"{'async ' if is_async else ''}{name}{signature}".replace("'", ""))


def _plain(text: str) -> str:
    """Without addresses in memory and of files, which differ from run to run."""
    return re.sub(r" at 0x[0-9a-f]+", "", text.replace(str(ROOT), "")).replace("`", "'")


def _doc(value: object) -> str:
    return (inspect.getdoc(value) or "").strip() if getattr(value, "__doc__", None) else ""


def _first_sentences(module: ModuleType) -> str:
    return (inspect.getdoc(module) or "").strip()


if __name__ == "__main__":
    sys.exit(main())
