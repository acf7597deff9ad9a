"""This module is doing again what failed in a run, and nothing else: the same parameters, narrowed to the items that failed."""

from __future__ import annotations

from collections.abc import Sequence

from apps.persistence.encoding import Value
from apps.persistence.errors import InvalidInput
from apps.persistence.store import Store
from apps.persistence.work.failures import read_failures
from apps.persistence.work.operation import ONLY, can_retry
from apps.persistence.work.run import load_run

from .catalogue import Choice


async def read_retry(store: Store, choice: Choice, run_id: str) -> dict[str, str | Sequence[str]]:
    """What a form would hold. Raises InvalidInput where nothing failed in that run, or where it was another operation's."""
    run = await load_run(store, run_id)
    if run is None or run.operation != choice.name or not can_retry(choice.kind):
        raise InvalidInput(f"{run_id[:60]} is no run of {choice.title} whose failed items could be retried.")
    failures = await read_failures(store.connection, run_id)
    if not failures.items:
        raise InvalidInput(f"Nothing failed in the run {run_id}, so there is nothing to retry.")
    return {**{name: _typed(value) for name, value in run.parameters.items() if value is not None}, ONLY: "\n".join(failures.items)}


def _typed(value: Value) -> str | Sequence[str]:
    if isinstance(value, list):
        return [str(one) for one in value]
    return ("on" if value else "off") if isinstance(value, bool) else str(value)
