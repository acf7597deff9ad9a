"""This module is the check of sizes: a file, a function or a template that is too long wants to be divided by meaning."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

FILE_LINES = 300
FUNCTION_LINES = 50
TEMPLATE_LINES = 120
LONGER = {
    "apps/persistence/transfer/evidence_verifier.py": 900,  # it stands alone in the hands of an auditor, so nothing can be taken out of it
    "apps/persistence/transfer/evidence_verifier.html": 5000,  # written by .ci/html_verifier.py, with vendored modules in it
}
KINDS = ("*.py", "*.html", "*.js", "*.css", ":!static/vendor")


def main() -> int:
    problems = [problem for path in own_files() for problem in check(path)]
    print("\n".join(problems) or "All sizes are within their limits.")
    return 1 if problems else 0


def own_files() -> list[Path]:
    """Every file of ours that git tracks or would track."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "--", *KINDS], capture_output=True, text=True, check=True)
    return [path for line in listed.stdout.splitlines() if (path := Path(line)).exists()]


def check(path: Path) -> Iterator[str]:
    text = path.read_text(encoding="utf-8")
    lines, limit = len(text.splitlines()), LONGER.get(str(path), TEMPLATE_LINES if path.suffix == ".html" else FILE_LINES)
    if lines > limit:
        yield f"{path}: {lines} lines; the limit is {limit}"
    if path.suffix == ".py":
        yield from long_functions(path, ast.parse(text))


def long_functions(path: Path, tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            lines = node.end_lineno - node.lineno + 1
            if lines > FUNCTION_LINES:
                yield f"{path}:{node.lineno}: {node.name} has {lines} lines; the limit is {FUNCTION_LINES}"


if __name__ == "__main__":
    sys.exit(main())
