"""This module is taking the findings of a run away: as JSON Lines for programs, or as CSV for a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping

from django.http import HttpRequest, HttpResponse
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from apps.accounts.rights import permission_required
from apps.connection import ask
from apps.persistence.encoding import Value
from apps.persistence.errors import NotFound
from apps.persistence.store import Store
from apps.persistence.work.findings import read_findings
from apps.persistence.work.run import load_run

COLUMNS = ("cause", "stream", "sequence", "aggregate", "version", "expected", "found", "explanation")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_TYPES = {"jsonl": "application/jsonl; charset=utf-8", "csv": "text/csv; charset=utf-8"}


@require_safe
@permission_required("audit.export")
def download(request: HttpRequest, run_id: str, kind: str) -> HttpResponse:
    found = ask(_read, run_id)
    body = to_lines(found) if kind == "jsonl" else to_csv(found)
    name = content_disposition_header(True, f"findings-{run_id}.{kind}") or ""
    return HttpResponse(body, content_type=_TYPES[kind], headers={"Content-Disposition": name, "Cache-Control": "private, no-store"})


def to_lines(found: Iterable[Mapping[str, Value]]) -> str:
    """One object a line."""
    return "".join(f"{json.dumps({name: one.get(name) for name in COLUMNS}, ensure_ascii=False)}\n" for one in found)


def to_csv(found: Iterable[Mapping[str, Value]]) -> str:
    """With a line of names. A text that a spreadsheet would compute is led by an apostrophe."""
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(COLUMNS)
    rows.writerows([_cell(one.get(name)) for name in COLUMNS] for one in found)
    return text.getvalue()


def _cell(value: Value) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


async def _read(store: Store, run_id: str) -> list[Mapping[str, Value]]:
    """Raises NotFound."""
    run = await load_run(store, run_id)
    if run is None:
        raise NotFound(f"There is no run {run_id}; check its id.")
    return await read_findings(store.connection, run)
