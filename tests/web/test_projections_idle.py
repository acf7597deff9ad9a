"""This module is the tests of the projections and the overview where no worker ever ran, and where NATS is away."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.conf import LazySettings

from apps import connection
from apps.persistence.store.embedded import EmbeddedServer

from .conftest import Visitor, home_settings
from .working_console import page, read


@pytest.fixture
def bare(own_nats_server: EmbeddedServer, settings: LazySettings) -> Iterator[EmbeddedServer]:
    """A server on which nothing was made."""
    settings.CIM_HOME = home_settings(own_nats_server)
    connection.stop()
    yield own_nats_server
    connection.stop()


@pytest.mark.usefixtures("bare")
def test_projections_that_never_ran_say_so_and_what_to_start(operator: Visitor) -> None:
    text = read(operator, "/projections/")

    assert "No worker is alive, so nothing is applied. Start one with python3 manage.py worker" in text
    assert "order-summary Not started –" in text
    assert "It has never run; start a worker first." in text


@pytest.mark.usefixtures("bare")
def test_the_page_of_one_that_never_ran_has_no_figures_to_show(viewer: Visitor) -> None:
    text = read(viewer, "/projections/order-summary/")

    assert "It has never run. A worker that knows it begins at the first event by itself." in text
    assert "No sample yet." in text
    assert "There is none yet: it is made when a worker first runs the projection." in text


@pytest.mark.usefixtures("bare")
def test_the_overview_of_an_empty_server_says_what_to_start(viewer: Visitor) -> None:
    text = read(viewer, "/")

    assert "What is running? No worker is alive" in text
    assert "Start one with python3 manage.py worker" in text
    assert "Is every chain intact? Not verified yet" in text


@pytest.mark.usefixtures("bare")
def test_the_audit_of_an_empty_server_has_streams_that_are_not_there(auditor: Visitor) -> None:
    text = read(auditor, "/audit/")

    assert "The server has no such stream. It is made when a worker first starts." in text
    assert "Nobody has started anything yet." in text


@pytest.mark.parametrize("address", ["/", "/projections/", "/projections/order-summary/", "/runs/", "/audit/", "/audit/CIM-EVENTS/"])
def test_without_nats_every_page_says_so_within_its_frame(viewer: Visitor, settings: LazySettings, address: str) -> None:
    settings.CIM_HOME = {"url": "nats://127.0.0.1:9"}
    connection.stop()

    text = page(viewer, address, 503)

    assert "NATS gives no answer" in text
    assert 'href="/projections/"' in text
    connection.stop()
