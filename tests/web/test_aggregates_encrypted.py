"""This module is the tests of the pages of encrypted aggregates: with the key, without it, and after it was destroyed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import LazySettings

from apps.persistence.console import load_registry
from apps.persistence.events import AggregateRef, FileKeys, NewEvent
from apps.persistence.operations import DestroyKeys
from apps.persistence.store import Store, append, ensure_home, head_of, messages_of
from tests.persistence.operating import Noted

from .conftest import Home, Visitor
from .working_console import read


@pytest.fixture
def folder(settings: LazySettings, tmp_path: Path) -> Path:
    settings.CIM_DOMAINS = ["tests.web.ward_domain"]
    settings.CIM_KEYS = tmp_path / "keys"
    return tmp_path / "keys"


async def admit(store: Store, name: str, folder: Path) -> int:
    """One event of a patient; returns its sequence."""
    await ensure_home(store.connection)
    registry = load_registry(["tests.web.ward_domain"], keys=FileKeys(folder))
    ref = AggregateRef("ward", "patient", name)
    keyed = replace(store, upcasters=registry.upcasters)
    await append(keyed, await head_of(keyed, ref), [NewEvent(type="admitted", payload={"name": "Ada Lovelace", "ward": 7})])
    return (await messages_of(store, ref))[-1].sequence


async def forget(store: Store, name: str, folder: Path) -> None:
    registry = load_registry(["tests.web.ward_domain"], keys=FileKeys(folder))
    await DestroyKeys(aggregate=f"ward.patient.{name}").run(store, registry, Noted(reason="asked to be forgotten"))


def test_with_the_key_the_page_shows_what_the_events_say(auditor: Visitor, home: Home, folder: Path) -> None:
    sequence = home.run(admit, "ada", folder)

    text = read(auditor, "/aggregates/ward.patient/ada/")
    event = read(auditor, f"/streams/CIM-EVENTS/{sequence}/")

    assert "into ward 7" in text
    assert '"Ada Lovelace"' in text
    assert "Stored encrypted with AES-256-GCM and the key k1, which is here." in event
    assert "Ada Lovelace" in event


def test_without_the_key_the_page_names_the_key_and_nothing_else_is_missing(
    auditor: Visitor, home: Home, folder: Path, settings: LazySettings, tmp_path: Path
) -> None:
    sequence = home.run(admit, "bob", folder)
    settings.CIM_KEYS = tmp_path / "empty"

    text = read(auditor, "/aggregates/ward.patient/bob/?verify=1")
    event = read(auditor, f"/streams/CIM-EVENTS/{sequence}/")

    missing = "The payload of version 1 of ward.patient.bob is encrypted, and the key k1 is not here"
    assert missing in text
    assert missing in event
    assert "encrypted admitted" in text or "admitted encrypted" in text
    assert "Ada Lovelace" not in text
    assert "intact" in text


@pytest.mark.parametrize("keys", ["keys", "empty"])
def test_after_the_key_is_destroyed_the_page_says_who_did_it_and_why(
    auditor: Visitor, home: Home, folder: Path, settings: LazySettings, tmp_path: Path, keys: str
) -> None:
    sequence = home.run(admit, f"cleo-{keys}", folder)
    home.run(forget, f"cleo-{keys}", folder)
    settings.CIM_KEYS = tmp_path / keys

    text = read(auditor, f"/aggregates/ward.patient/cleo-{keys}/?verify=1")
    event = read(auditor, f"/streams/CIM-EVENTS/{sequence}/")

    assert "UTC by olga. asked to be forgotten" in text
    assert "Nothing was tampered with" in text
    assert "admitted redacted" in text
    assert "intact" in text
    assert "The payload was redacted on" in event
