"""This package is queries over read models by the cheapest way: a local index that follows a bucket, plans, and results held in memory."""

from .bounds import FieldIndex
from .optimizer import QueryOptimizer, analyze_patterns, open_optimizer
from .plan import IndexStrategy, QueryHint, QueryOperation, QueryPlan, QueryStep
from .report import PerformanceReport, QueryPerformance, SlowQuery, StrategyFigures
from .results import CacheCounts
from .tables import IndexFigures

__all__ = [
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
    "analyze_patterns",
    "open_optimizer",
]
