"""This package is the policy: drafted, approved, in force, and at some time superseded."""

from .aggregate import POLICY
from .commands import PolicyScope, PolicyType, ScopeKind
from .status import POLICY_MACHINE, PolicyStatus

__all__ = ["POLICY", "POLICY_MACHINE", "PolicyScope", "PolicyStatus", "PolicyType", "ScopeKind"]
