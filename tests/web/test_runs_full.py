"""This module is the tests of what the page of a run says where the server has no space left: paused or waiting, with the reason."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import pytest

from apps.persistence.errors import OutOfSpace
from apps.persistence.operations import OPERATIONS
from apps.persistence.registry import Registry
from apps.persistence.store import Store
from apps.persistence.work.operation import Outcome, Plan, Progress
from apps.persistence.work.trouble import say_trouble

from .conftest import Home, Visitor
from .working_console import start_run, wait_for

pytestmark = pytest.mark.usefixtures("home", "worker")
_shelf = {"is full": False, "is slow": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hoard:
    """Stores what there is no space for."""

    title: ClassVar[str] = "Hoard"
    permission: ClassVar[str] = "operations.hoard"

    @property
    def target(self) -> str:
        return "hoard/all"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        return Plan(summary="Hoard", saw={})

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        await progress.report(1, 2, checkpoint={"done": 1}, force=True)
        while _shelf["is slow"]:
            await asyncio.sleep(0.05)
            progress.check()
        if _shelf["is full"]:
            raise OutOfSpace("The server cannot store more: the shelf is full. Free space or raise the limit, then retry.")
        return Outcome(sentence="Hoarded.")


@pytest.fixture(autouse=True, scope="module")
def hoard() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(OPERATIONS, "hoard", Hoard)  # type: ignore[arg-type]
        yield


def test_run_without_space_is_paused_with_the_reason_and_goes_on_when_resumed(home: Home, operator: Visitor) -> None:
    _shelf["is full"] = True
    run = start_run(operator, "/runs/new/hoard/review/")
    text = wait_for(operator, run, "Paused by the worker.")
    assert "Paused by the worker. The server cannot store more: the shelf is full." in text
    assert "Once that is done, resume it." in text

    _shelf["is full"] = False
    operator.post(f"{run}resume/")

    assert "Hoarded." in wait_for(operator, run, "Receipt finished")


def test_run_whose_worker_cannot_store_anything_says_what_keeps_it_from_going_on(home: Home, operator: Visitor) -> None:
    _shelf["is slow"] = True
    run = start_run(operator, "/runs/new/hoard/review/")
    wait_for(operator, run, "You can close this page. The run goes on at worker")

    home.run(lambda store: say_trouble(store.connection, run.strip("/").rpartition("/")[2], "Nothing at all can be stored."))
    text = wait_for(operator, run, "It cannot go on.")
    _shelf["is slow"] = False

    assert "It cannot go on. Nothing at all can be stored. It is tried every second and goes on by itself." in text
    assert "Hoarded." in wait_for(operator, run, "Receipt finished")
