"""A type checker refuses the id of one kind where another kind belongs, and takes the right one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.persistence.pages import ROOT

PROGRAM = """
from apps.domain.declared.ids import AgentId, PersonId

def greet(person: PersonId) -> str:
    return person.text

greet(PersonId("p-1"))
greet(AgentId("a-1"))
"""


def test_type_checker_refuses_the_id_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "greeting.py").write_text(PROGRAM)
    options = ["--config-file=", "--follow-imports=skip", "--explicit-package-bases", f"--cache-dir={tmp_path}"]
    files = ["apps/domain/declared/ids.py", str(tmp_path / "greeting.py")]

    checked = subprocess.run([sys.executable, "-m", "mypy", *options, *files], cwd=ROOT, capture_output=True, text=True, check=False)

    errors = [line for line in checked.stdout.splitlines() if "error:" in line]
    assert len(errors) == 1, checked.stdout + checked.stderr
    assert 'greeting.py:8: error: Argument 1 to "greet" has incompatible type "AgentId"; expected "PersonId"' in errors[0]
