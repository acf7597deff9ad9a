"""This package is routing: which handlers a message's subject leads to, who may publish or subscribe, listening on a connection,
the bridge between bounded contexts, and routers that domains declare and workers carry out."""

from .bridge import CAME_THROUGH, ContextBridge, ContextMapping, Interest, on_payload, parse_subject, publishing
from .definition import EventHandler, RouterDefinition, bridging, message_of, router_of, target_of
from .listening import Listening, listen
from .message import NatsMessage
from .permissions import Act, Decision, MostSpecificWins, PermissionRule, Permissions, SubjectPermissions, by_specificity
from .record import ROUTES_BUCKET, RouterFailure, RouterRecord, list_routers, read_router
from .router import RouteHandler, RoutePattern, RouteResult, RouterStats, RouteStats, RoutingStrategy, SubjectRouter
from .translated import CONTEXTS_STREAM, ensure_contexts, store_translated, subject_of
from .users import NatsUser, ask_own_user, list_told_users, tell_own_user

__all__ = [
    "CAME_THROUGH",
    "CONTEXTS_STREAM",
    "ROUTES_BUCKET",
    "Act",
    "ContextBridge",
    "ContextMapping",
    "Decision",
    "EventHandler",
    "Interest",
    "Listening",
    "MostSpecificWins",
    "NatsMessage",
    "NatsUser",
    "PermissionRule",
    "Permissions",
    "RouteHandler",
    "RoutePattern",
    "RouteResult",
    "RouteStats",
    "RouterDefinition",
    "RouterFailure",
    "RouterRecord",
    "RouterStats",
    "RoutingStrategy",
    "SubjectPermissions",
    "SubjectRouter",
    "ask_own_user",
    "bridging",
    "by_specificity",
    "ensure_contexts",
    "list_routers",
    "list_told_users",
    "listen",
    "message_of",
    "on_payload",
    "parse_subject",
    "publishing",
    "read_router",
    "router_of",
    "store_translated",
    "subject_of",
    "target_of",
    "tell_own_user",
]
