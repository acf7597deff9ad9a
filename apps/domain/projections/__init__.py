"""This package is the read models of the example: one that joins, one that is slow on purpose, one that meets what it cannot apply."""

from .discount_audit import DISCOUNT_AUDIT
from .order_summary import ORDER_SUMMARY
from .search_index import SEARCH_INDEX

__all__ = ["DISCOUNT_AUDIT", "ORDER_SUMMARY", "SEARCH_INDEX"]
