"""This module is declared streams on the pages: made by a worker where they are missing, and where one differs, which setting."""

from __future__ import annotations

from django.conf import LazySettings

from apps.persistence.store import Store, ensure_stream, get_stream

from .conftest import Home, Visitor
from .working_console import Worker, read

DOMAINS = ("tests.web.drift_domain",)


async def make_ledger(store: Store) -> None:
    await ensure_stream(store.connection, {"name": "LEDGER", "subjects": ["ledger.a.>"], "storage": "file", "max_age": 3_600_000_000_000})


async def age_of_fresh(store: Store) -> int:
    return int((await get_stream(store.connection, "FRESH")).config["max_age"])


def test_stream_that_differs_says_in_which_settings(home: Home, settings: LazySettings, viewer: Visitor) -> None:
    settings.CIM_DOMAINS = list(DOMAINS)
    home.run(make_ledger)
    with Worker(home.server, DOMAINS):
        pass

    text = read(viewer, "/streams/LEDGER/configuration/")

    assert "Not as declared" in text
    assert "subjects ledger.> ledger.a.>" in text
    assert "max_age 365 days, 0:00:00 1:00:00" in text
    assert "allow_direct yes no" in text
    assert "Not as declared the stream was there before" not in read(viewer, "/streams/CIM-EVENTS/configuration/")
    listed = read(viewer, "/streams/?only=drifted")
    assert "LEDGER" in listed
    assert "FRESH" not in listed
    assert home.run(age_of_fresh) == 30 * 86_400 * 1_000_000_000
