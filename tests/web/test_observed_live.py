"""This module is the tests of what is live on observed connections: topics that name one, and the switch in the top bar."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import LazySettings
from django.template import Context, Template
from django.test import RequestFactory

from apps.live.hub import Hub
from apps.live.messages import read_topics
from apps.live.sources import UnknownTopic, parse_topic, source
from apps.persistence.store.embedded import EmbeddedServer

from .conftest import Home, Visitor, home_settings
from .live_hub_stage import Page, Stage, hub, stage, tick
from .observed_stage import NOBODY_THERE, observe, prod, prod_server, server_without_jetstream
from .test_live_shell import first_batch

__all__ = ["hub", "prod", "prod_server", "stage"]


@pytest.fixture
def observing(stage: Stage) -> Stage:
    """The stage's source may look at any connection."""
    source("stage", permission=None, observes=True)(stage.generator)
    return stage


def test_a_topic_may_name_an_observed_connection() -> None:
    topic = parse_topic("prod/stream:A/B")

    assert (topic.connection, topic.source.name, topic.argument) == ("prod", "stream", "A/B")


def test_a_slash_in_an_argument_names_no_connection() -> None:
    assert parse_topic("stream:A/B").connection == "home"


def test_what_only_home_has_cannot_be_looked_at_elsewhere() -> None:
    with pytest.raises(UnknownTopic, match="projections is looked at on the home connection alone"):
        parse_topic("prod/projections")


def test_a_page_of_an_observed_connection_looks_there_where_it_can(viewer: Visitor) -> None:
    request = RequestFactory().get("/at/prod/streams/")
    request.user = viewer.person
    context = Context({"request": request, "observed": "prod"})

    html = Template('{% load live %}{% live "streams" "prod/stream:A" "shell" %}').render(context)

    signed = html.partition('topics="')[2].partition('"')[0]
    assert read_topics(viewer.person.pk, (signed,)) == ("prod/streams", "prod/stream:A", "shell")


async def test_a_browser_is_told_how_the_connection_is_that_its_page_looks_at(hub: Hub, observing: Stage) -> None:
    there, here = Page(hub), Page(hub)
    there.look_at("prod/stage")
    here.look_at("stage")
    observing.put(tick(1))
    observing.put(tick(1))

    hub.tell_link({"link": "reconnecting"}, "prod")

    assert there.subscriber.next_message().count('"reconnecting"') == 1
    assert here.subscriber.next_message().count('"reconnecting"') == 0


async def test_the_switch_says_of_each_connection_how_it_is(prod: EmbeddedServer) -> None:
    shown = await first_batch()

    assert "nats-server 2." in shown["connection-entry-prod"]
    assert " ms" in shown["connection-state-prod"]
    assert "Nothing is switched off." in shown["connection-entry-prod"]
    assert "the console" in shown["connection-entry"]


async def test_the_switch_gives_the_exact_problem_of_each_connection(
    home: Home, prod_server: EmbeddedServer, tmp_path: Path, settings: LazySettings
) -> None:
    wrong = home_settings(prod_server) | {"password": "guessed"}
    with server_without_jetstream(tmp_path) as url:
        observe(settings, away=NOBODY_THERE, wrong=wrong, plain={"url": url})

        shown = await first_batch()

    assert "nats://127.0.0.1:9" in shown["connection-entry-away"]
    assert "refused the credentials of connection wrong" in shown["connection-entry-wrong"]
    assert "JetStream is not enabled" in shown["connection-entry-plain"]
    assert 'data-state="failed"' in shown["connection-state-plain"]
    assert 'data-state="connected"' in shown["connection-state"]
