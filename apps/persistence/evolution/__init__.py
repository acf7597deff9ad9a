"""This package is evolution: schema versions of a domain, the migrations between them, and what was applied."""

from .journal import JOURNAL_DEFINITION, Entry, Journal, read_journal
from .manifest import Archived, Manifest, find_manifest, manifest_type
from .migration import Change, Definitions, Migration, Rehearsal, Steps, Work, check_migrations
from .openings import ARCHIVE, Folded, fold_range, leave_out_manifests
from .path import find_path, newest_reachable
from .runner import Done, abandon, apply, migrate_to, roll_back, way_back
from .serving import SERVING_DEFINITION, Serving, Servings, read_servings
from .stream_change import StreamChange
from .transform import Transform, keep
from .version import FIRST_VERSION, SchemaVersion

__all__ = [
    "ARCHIVE",
    "FIRST_VERSION",
    "JOURNAL_DEFINITION",
    "SERVING_DEFINITION",
    "Archived",
    "Change",
    "Definitions",
    "Done",
    "Entry",
    "Folded",
    "Journal",
    "Manifest",
    "Migration",
    "Rehearsal",
    "SchemaVersion",
    "Serving",
    "Servings",
    "Steps",
    "StreamChange",
    "Transform",
    "Work",
    "abandon",
    "apply",
    "check_migrations",
    "find_manifest",
    "find_path",
    "fold_range",
    "keep",
    "leave_out_manifests",
    "manifest_type",
    "migrate_to",
    "newest_reachable",
    "read_journal",
    "read_servings",
    "roll_back",
    "way_back",
]
