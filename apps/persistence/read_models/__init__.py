"""This package is read models by type and id: stored in a bucket, queried with filters, sorts and pages, and held in a near cache."""

from .cache import CacheFigures, NearCache, open_near_cache
from .model import Model, ModelSchema, ReadModelMetadata, StoredModel
from .options import Filter, Op, Pagination, QueryBuilder, QueryOptions, QueryResult, Sort, SortDirection, TimeRange
from .ordering import field_of, is_comparable, order_key
from .selection import Selection
from .store import READ_MODELS_BUCKET, ReadModelStore, ReadModelStoreBuilder
from .watch import BucketWatch, Listener, watching

__all__ = [
    "READ_MODELS_BUCKET",
    "BucketWatch",
    "CacheFigures",
    "Filter",
    "Listener",
    "Model",
    "ModelSchema",
    "NearCache",
    "Op",
    "Pagination",
    "QueryBuilder",
    "QueryOptions",
    "QueryResult",
    "ReadModelMetadata",
    "ReadModelStore",
    "ReadModelStoreBuilder",
    "Selection",
    "Sort",
    "SortDirection",
    "StoredModel",
    "TimeRange",
    "field_of",
    "is_comparable",
    "open_near_cache",
    "order_key",
    "watching",
]
