"""This module is what the console itself declares, beside the domains of CIM_DOMAINS: runs, their list, and the operations."""

from __future__ import annotations

from collections.abc import Iterable

from .drift import DRIFT_DEFINITION
from .events import KeyStore
from .evolution import JOURNAL_DEFINITION, SERVING_DEFINITION
from .heads import HEADS_DEFINITION
from .operations import OPERATIONS
from .projections.builtin import BUILTIN_PROJECTIONS, newest_state_projections
from .registry import Domain, Registry, StreamChanges, load_domains
from .store import CONSOLE, REDACTION_DEFINITION
from .work.accounts import ACCOUNT_DEFINITION, note_account
from .work.refusals import REQUEST_DEFINITION
from .work.run import RUN_DEFINITION
from .work.run_commands import RunCommands
from .work.run_index import RUNS


def load_registry(domains: Iterable[str], *, stream_changes: StreamChanges | None = None, keys: KeyStore | None = None) -> Registry:
    """All that the console and the packages `domains` declare, and which streams operators may change (default: none).

    `keys` open and seal payloads; without them what is encrypted stays closed, and no event of an encrypted type can be stored.

    Raises InvalidInput naming the package that cannot be used and why."""
    console = Domain(
        name="console",
        title="Console",
        aggregates=[
            RUN_DEFINITION,
            JOURNAL_DEFINITION,
            SERVING_DEFINITION,
            REDACTION_DEFINITION,
            ACCOUNT_DEFINITION,
            REQUEST_DEFINITION,
            HEADS_DEFINITION,
            DRIFT_DEFINITION,
        ],
        commands={ACCOUNT_DEFINITION.key: note_account},
        projections=[RUNS, *BUILTIN_PROJECTIONS],
    )
    registry = load_domains(domains, builtin=[console], keys=keys)
    registry.stream_changes = stream_changes or StreamChanges()
    registry.commands[RUN_DEFINITION.key] = RunCommands(OPERATIONS, registry)
    declared = [definition for definition in registry.aggregates.values() if definition.context != CONSOLE.context]
    for projection in newest_state_projections(definition for definition in declared if definition.encryption is None):
        registry.projections[projection.name] = projection
    return registry
