"""This package is routing: which handlers a message's subject leads to, who may publish or subscribe, listening on a connection,
and the bridge between bounded contexts."""

from .bridge import CAME_THROUGH, ContextBridge, ContextMapping, Interest, parse_subject, publishing
from .listening import Listening, listen
from .message import NatsMessage
from .permissions import Act, Decision, MostSpecificWins, PermissionRule, Permissions, SubjectPermissions
from .router import RouteHandler, RoutePattern, RouteResult, RouterStats, RouteStats, RoutingStrategy, SubjectRouter

__all__ = [
    "CAME_THROUGH",
    "Act",
    "ContextBridge",
    "ContextMapping",
    "Decision",
    "Interest",
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
    "parse_subject",
    "publishing",
]
