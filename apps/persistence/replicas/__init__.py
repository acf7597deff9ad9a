"""This package is the replicas of a stream: every node is asked for its own copy, and the one that is wrong is named."""

from .comparing import STEP, ReplicaComparison, check_replicated, compare_replicas
from .copy import Faults, NodeCopy
from .node import NodeReader, open_node

__all__ = ["STEP", "Faults", "NodeCopy", "NodeReader", "ReplicaComparison", "check_replicated", "compare_replicas", "open_node"]
