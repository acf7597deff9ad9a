"""This module is a domain of a user's own for the tests of the routes page: a bridge that lacks a mapping, routes by priority, rights."""

from __future__ import annotations

from apps.persistence.registry import Domain
from apps.persistence.routing import (
    ContextBridge,
    ContextMapping,
    Interest,
    MostSpecificWins,
    NatsMessage,
    PermissionRule,
    RoutePattern,
    RouterDefinition,
    RoutingStrategy,
    SubjectPermissions,
    bridging,
)
from apps.persistence.store import Store


async def note(store: Store, message: NatsMessage, route: RoutePattern) -> bytes:
    return b""


WORDS = ContextMapping(source="shop", target="press", aggregates={"tin": "parcel"}, event_types={"filled": "announced"})

DOMAIN = Domain(
    name="routes-test",
    title="Routes test",
    routers=(
        bridging(
            name="shop-to-press",
            title="Shop to press",
            bridge=ContextBridge(mappings=[WORDS], interests=[Interest(target="press", source="shop")]),
        ),
        RouterDefinition(
            name="by-priority",
            title="By priority",
            strategy=RoutingStrategy.PRIORITY_BASED,
            routes=[
                RoutePattern(name="usual", pattern="shop.tin.>", handler="note"),
                RoutePattern(name="urgent", pattern="shop.*.filled.*", handler="note", priority=5),
            ],
            handlers={"note": note},
        ),
    ),
    permissions={
        "till": SubjectPermissions(publish_allow=["cim.commands.shop.tin.>"], deny=["cim.commands.shop.>"]),
        "desk": MostSpecificWins(
            rules=[
                PermissionRule(pattern="cim.commands.>", is_allowed=False),
                PermissionRule(pattern="cim.commands.shop.>", is_allowed=True),
            ]
        ),
    },
)
