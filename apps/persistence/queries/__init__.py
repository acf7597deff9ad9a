"""This package is queries over read models by the cheapest way: a local index that follows a bucket, plans, and results held in memory."""

from .bounds import FieldIndex
from .optimizer import QueryOptimizer, analyze_patterns, open_optimizer
from .plan import IndexStrategy, QueryHint, QueryOperation, QueryPlan, QueryStep
from .report import PerformanceReport, QueryPerformance, SlowQuery, StrategyFigures
from .results import CacheCounts
from .tables import IndexFigures
from .view_feeding import feed_view, run_views
from .views import VIEWS_BUCKET, View, check_bounds, create_view, drop_view, get_view, list_views

__all__ = [
    "VIEWS_BUCKET",
    "CacheCounts",
    "FieldIndex",
    "IndexFigures",
    "IndexStrategy",
    "PerformanceReport",
    "QueryHint",
    "QueryOperation",
    "QueryOptimizer",
    "QueryPerformance",
    "QueryPlan",
    "QueryStep",
    "SlowQuery",
    "StrategyFigures",
    "View",
    "analyze_patterns",
    "check_bounds",
    "create_view",
    "drop_view",
    "feed_view",
    "get_view",
    "list_views",
    "open_optimizer",
    "run_views",
]
