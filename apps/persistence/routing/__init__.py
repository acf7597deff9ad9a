"""This package is routing: which handlers a message's subject leads to, who may publish or subscribe, and listening on a connection."""

from .listening import Listening, listen
from .message import NatsMessage
from .permissions import Act, Decision, MostSpecificWins, PermissionRule, Permissions, SubjectPermissions
from .router import RouteHandler, RoutePattern, RouteResult, RouterStats, RouteStats, RoutingStrategy, SubjectRouter

__all__ = [
    "Act",
    "Decision",
    "Listening",
    "MostSpecificWins",
    "NatsMessage",
    "PermissionRule",
    "Permissions",
    "RouteHandler",
    "RoutePattern",
    "RouteResult",
    "RouteStats",
    "RouterStats",
    "RoutingStrategy",
    "SubjectPermissions",
    "SubjectRouter",
    "listen",
]
