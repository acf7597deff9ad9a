"""This package is the workflow: a walk through a graph of states that a definition names, with a context that it gathers on the way."""

from .aggregate import WORKFLOW
from .definitions import DEFINITIONS, WorkflowDefinition, compose, identity
from .status import WORKFLOW_MACHINE, WorkflowStatus

__all__ = ["DEFINITIONS", "WORKFLOW", "WORKFLOW_MACHINE", "WorkflowDefinition", "WorkflowStatus", "compose", "identity"]
