"""This package is read models by type and id: stored in a bucket, queried with filters, sorts and pages, and held in a near cache."""

from .cache import CacheFigures, NearCache, open_near_cache
from .contract import ReadModels
from .keys import key_pages
from .memory import MemoryReadModelStore
from .model import Model, ModelSchema, ReadModelMetadata, StoredModel, is_model_key, parse_entry, to_bytes
from .options import Filter, Op, Pagination, QueryBuilder, QueryOptions, QueryResult, Sort, SortDirection, TimeRange, check_field
from .ordering import field_of, is_comparable, order_key
from .selection import Selection
from .status import (
    ModelsStatus,
    StatusKind,
    find_projection_status,
    list_projection_statuses,
    projection_status_history,
    status_of,
    update_projection_status,
)
from .store import READ_MODELS_BUCKET, ReadModelStore, ReadModelStoreBuilder
from .watch import BucketWatch, Listener, watching

__all__ = [
    "READ_MODELS_BUCKET",
    "BucketWatch",
    "CacheFigures",
    "Filter",
    "Listener",
    "MemoryReadModelStore",
    "Model",
    "ModelSchema",
    "ModelsStatus",
    "NearCache",
    "Op",
    "Pagination",
    "QueryBuilder",
    "QueryOptions",
    "QueryResult",
    "ReadModelMetadata",
    "ReadModelStore",
    "ReadModelStoreBuilder",
    "ReadModels",
    "Selection",
    "Sort",
    "SortDirection",
    "StatusKind",
    "StoredModel",
    "TimeRange",
    "check_field",
    "field_of",
    "find_projection_status",
    "is_comparable",
    "is_model_key",
    "key_pages",
    "list_projection_statuses",
    "open_near_cache",
    "order_key",
    "parse_entry",
    "projection_status_history",
    "status_of",
    "to_bytes",
    "update_projection_status",
    "watching",
]
