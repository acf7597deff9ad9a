"""Reading a block quickly and reading it slowly must agree: the same event, or a refusal with the same reason."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from apps.persistence.encoding import Cid, Value, cid_of, encode
from apps.persistence.errors import EncodingError, InvalidEvent
from apps.persistence.events import AggregateRef, Event, Scope

FIELDS: dict[str, Value] = {
    "aggregate": {"context": "sales", "type": "order", "id": "7f3c91e0"},
    "version": 2,
    "type": "item_added",
    "schema": 1,
    "id": "01934f2a-7c11-7d3e-8b55-1a2b3c4d5e6f",
    "time": "2026-11-21T10:40:31.904218Z",
    "actor": "web",
    "correlation": "01934f2a-7c11-7d3e-8b55-1a2b3c4d5e70",
    "causation": None,
    "scope": "cluster",
    "previous": cid_of(b"version 1"),
    "payload": {"quantity": 3},
    "metadata": {},
}


def block(**changes: Any) -> bytes:
    return encode({**FIELDS, **changes})


def test_a_well_formed_block_is_read_field_by_field() -> None:
    event = Event.from_block(block())

    assert event == Event(
        aggregate=AggregateRef("sales", "order", "7f3c91e0"),
        version=2,
        type="item_added",
        schema=1,
        id="01934f2a-7c11-7d3e-8b55-1a2b3c4d5e6f",
        time=datetime(2026, 11, 21, 10, 40, 31, 904218, tzinfo=UTC),
        actor="web",
        correlation="01934f2a-7c11-7d3e-8b55-1a2b3c4d5e70",
        causation=None,
        scope=Scope.CLUSTER,
        previous=cid_of(b"version 1"),
        payload={"quantity": 3},
        metadata={},
    )


def test_an_event_reads_back_as_the_bytes_it_came_from() -> None:
    assert Event.from_block(block()).to_block() == block()


@pytest.mark.parametrize(
    "changes",
    [
        {"aggregate": {"context": "sales", "type": "order", "id": "a.b"}},
        {"aggregate": {"context": "sales", "type": "order", "id": "a\nb"}},
        {"aggregate": {"context": "sales", "type": "order", "id": ""}},
        {"aggregate": {"context": "sales", "type": "order", "id": 7}},
        {"aggregate": {"context": "sales", "type": "order"}},
        {"aggregate": {"context": "sales", "type": "order", "id": "x" * 129}},
        {"aggregate": "sales.order.7f3c91e0"},
        {"type": "item added"},
        {"type": "item_added\n"},
        {"type": None},
        {"version": 0},
        {"version": True},
        {"version": 2**63},
        {"version": "2"},
        {"version": 1},
        {"version": 1.0},
        {"schema": 0},
        {"schema": None},
        {"id": "01934F2A-7C11-7D3E-8B55-1A2B3C4D5E6F"},
        {"id": "01934f2a7c117d3e8b551a2b3c4d5e6f"},
        {"correlation": None},
        {"causation": "yesterday"},
        {"causation": 5},
        {"time": "2026-11-21T10:40:31Z"},
        {"time": "2026-11-21T10:40:31.904218+00:00"},
        {"time": "2026-11-21T10:40:31.904218Z\n"},
        {"time": "2026-02-30T10:40:31.904218Z"},
        {"time": "2026-11-21T24:00:00.000000Z"},
        {"time": "2026-11-21T10:40:60.000000Z"},
        {"time": "0999-11-21T10:40:31.904218Z"},
        {"time": 5},
        {"actor": ""},
        {"actor": None},
        {"scope": "galaxy"},
        {"scope": ["cluster"]},
        {"scope": None},
        {"previous": None},
        {"previous": cid_of(b"version 1").raw.hex()},
        {"previous": Cid(bytes([1, 0x71, 0x12, 32]) + bytes(32))},
        {"payload": []},
        {"payload": None},
        {"metadata": "none"},
    ],
    ids=str,
)
def test_a_block_with_one_wrong_field_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidEvent):
        Event.from_block(block(**changes))


def test_the_first_version_links_to_nothing() -> None:
    assert Event.from_block(block(version=1, previous=None)).previous is None


def test_every_scope_is_read() -> None:
    assert [Event.from_block(block(scope=scope.value)).scope for scope in Scope] == list(Scope)


def test_a_causation_is_read() -> None:
    assert Event.from_block(block(causation="01934f2a-7c11-7d3e-8b55-1a2b3c4d5e71")).causation == "01934f2a-7c11-7d3e-8b55-1a2b3c4d5e71"


def test_links_in_a_payload_are_read_as_links() -> None:
    proof = cid_of(b"proof")

    assert Event.from_block(block(payload={"proof": proof, "others": [proof]})).payload == {"proof": proof, "others": [proof]}


def test_bytes_in_a_payload_are_read_as_bytes() -> None:
    raw = cid_of(b"proof").raw

    assert Event.from_block(block(payload={"raw": raw})).payload == {"raw": raw}


def test_what_is_no_bytes_is_refused() -> None:
    with pytest.raises(EncodingError, match="A block is made of bytes"):
        Event.from_block("text")  # type: ignore[arg-type]
