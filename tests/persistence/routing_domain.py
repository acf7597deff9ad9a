"""This module is a domain whose bridge the tests of killed workers use: `there` hears of everything that happens in `here`."""

from __future__ import annotations

from apps.persistence.registry import Domain
from apps.persistence.routing import ContextBridge, ContextMapping, Interest, bridging

WORDS = ContextMapping(source="here", target="there", aggregates={"order": "invoice"}, event_types={"item_added": "line_added"})

DOMAIN = Domain(
    name="routing",
    title="Routing",
    routers=(
        bridging(
            name="here-to-there",
            title="Here to there",
            bridge=ContextBridge(mappings=[WORDS], interests=[Interest(target="there", source="here")]),
        ),
    ),
)
