"""A domain of a user's own: a package outside the repository, named in the settings, and nothing else."""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.persistence.encoding import decode
from apps.persistence.errors import InvalidInput
from apps.persistence.events import AggregateRef, fold, new_id
from apps.persistence.projections.definition import bucket_of
from apps.persistence.projections.runner import Orders, run_projection
from apps.persistence.registry import Command, load_domains
from apps.persistence.store import COMMANDS_STREAM, EVENTS, ensure_home, get_stream, kv_get, load, open_store
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.work.commands import consume_commands, send_command

ACME = """
from apps.persistence.errors import InvalidState
from apps.persistence.events import AggregateDefinition, NewEvent
from apps.persistence.projections.definition import ProjectionDefinition
from apps.persistence.registry import Domain
from apps.persistence.work.decide import handler_of


def lend(state, command):
    if state.get("reader"):
        raise InvalidState("The book is lent.")
    return [NewEvent(type="lent", payload={"reader": command.payload["reader"]})]


BOOK = AggregateDefinition(
    context="library", type="book", title="Book", apply=lambda state, event: {**state, "reader": event.payload["reader"]}
)
LENDING = ProjectionDefinition(
    name="acme-lending",
    version=1,
    title="Lending",
    subjects=("cim.events.library.book.>",),
    keys=lambda stored: [f"book.{stored.event.aggregate.id}"],
    apply=lambda stored, models: {f"book.{stored.event.aggregate.id}": {"reader": stored.event.payload["reader"]}},
)
DOMAIN = Domain(
    name="acme", title="Acme library", aggregates=[BOOK], projections=[LENDING], commands={BOOK.key: handler_of(BOOK, lend)}
)
"""


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on Python's path, with the package `acme_library` in it."""
    _write(tmp_path, "acme_library", ACME)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("acme_")]:
        del sys.modules[name]


def _write(folder: Path, name: str, text: str) -> None:
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text(text)


def test_outside_domain_is_found_beside_ours(outside: Path) -> None:
    registry = load_domains(["apps.domain", "acme_library"])

    assert [domain.title for domain in registry.domains] == ["Order example", "Acme library"]
    assert ("library", "book") in registry.aggregates
    assert sorted(registry.projections) == ["acme-lending", "discount-audit", "order-summary", "organization", "search-index"]


async def test_command_to_an_outside_domain_becomes_its_event_and_its_model(outside: Path, own_nats_server: EmbeddedServer) -> None:
    registry = load_domains(["apps.domain", "acme_library"])
    book, stop = AggregateRef("library", "book", "moby-dick"), asyncio.Event()
    command = Command(id=new_id(), aggregate=book, name="lend", payload={"reader": "Ada"}, actor="desk", correlation=new_id())

    async with open_store(own_nats_server.settings("worker")) as store, asyncio.TaskGroup() as group:
        await ensure_home(store.connection)
        group.create_task(consume_commands(store, registry, stop))
        await send_command(store.connection, command)
        async with asyncio.timeout(60):
            while (await get_stream(store.connection, COMMANDS_STREAM)).messages:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        stop.set()
        history = await load(store, book)
        last = (await get_stream(store.connection, EVENTS.stream)).last_sequence
        await run_projection(store, registry.projections["acme-lending"], 1, Orders(until=last))
        entry = await kv_get(store.connection, bucket_of("acme-lending", 1), "book.moby-dick")

    assert fold(registry.aggregates["library", "book"], [stored.event for stored in history.events]) == {"reader": "Ada"}
    assert entry is not None
    assert decode(entry.value)["model"] == {"reader": "Ada"}  # type: ignore[index,call-overload]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import a_package_that_is_not_there", "cannot be imported: No module named 'a_package_that_is_not_there'"),
        ("", "has no DOMAIN of type Domain; add one to its __init__.py."),
        ("DOMAIN = {'name': 'acme'}", "has no DOMAIN of type Domain; add one to its __init__.py."),
    ],
)
def test_package_that_is_no_domain_is_refused_by_its_name(outside: Path, text: str, reason: str) -> None:
    _write(outside, "acme_wrong", text)

    with pytest.raises(InvalidInput) as refused:
        load_domains(["acme_wrong"])

    assert "acme_wrong" in str(refused.value)
    assert reason in str(refused.value)


def test_package_that_is_not_installed_is_refused_by_its_name() -> None:
    with pytest.raises(InvalidInput, match=r"acme\.missing cannot be imported: .* Check CIM_DOMAINS"):
        load_domains(["acme.missing"])


def test_two_domains_cannot_declare_the_same(outside: Path) -> None:
    _write(outside, "acme_again", ACME.replace('name="acme"', 'name="again"'))

    with pytest.raises(InvalidInput, match="declared twice, the second time by the domain again"):
        load_domains(["acme_library", "acme_again"])


def test_our_own_domain_says_that_all_it_brings_is_demo() -> None:
    (domain,) = load_domains(["apps.domain"]).domains

    marks = [domain.is_demo, *(part.demo for part in (*domain.aggregates, *domain.projections, *domain.layouts))]
    assert set(marks) == {True}
