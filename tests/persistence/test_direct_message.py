"""This module is the test of where an answer to a Direct Get says that its message lies: the server says it, not the writer."""

from __future__ import annotations

import pytest

from apps.persistence.errors import ContinuityLost
from apps.persistence.store.message import from_direct

SERVER = b"Nats-Stream: ORDERS\r\nNats-Subject: orders.1\r\nNats-Sequence: 7\r\nNats-Time-Stamp: 2026-11-21T10:40:31.000000007Z\r\n"
STORED_AT = 1_795_257_631_000_000_007


def test_the_servers_headers_say_where_it_lies() -> None:
    found = from_direct(b"body", b"NATS/1.0\r\n" + SERVER + b"Nats-Num-Pending: 3\r\nNats-Last-Sequence: 6\r\n\r\n")

    assert (found.stream, found.subject, found.sequence, found.time_ns, found.data) == ("ORDERS", "orders.1", 7, STORED_AT, b"body")


def test_what_a_writer_gave_under_the_servers_names_does_not_count() -> None:
    forged = SERVER.replace(b"ORDERS", b"FORGED").replace(b"orders.1", b"forged.2")

    found = from_direct(b"", b"NATS/1.0\r\n" + forged + b"Color: red\r\n" + SERVER + b"\r\n")

    assert (found.stream, found.subject, found.headers) == ("ORDERS", "orders.1", {"Color": "red"})


def test_another_order_of_the_headers_is_read_too() -> None:
    found = from_direct(b"", b"NATS/1.0\r\nNats-Sequence: 7\r\n" + SERVER.replace(b"Nats-Sequence: 7\r\n", b"") + b"\r\n")

    assert (found.stream, found.subject, found.sequence, found.time_ns) == ("ORDERS", "orders.1", 7, STORED_AT)


def test_an_answer_that_does_not_say_where_is_refused() -> None:
    with pytest.raises(ContinuityLost, match="lacks 'Nats-Subject'"):
        from_direct(b"", b"NATS/1.0\r\nNats-Stream: ORDERS\r\n\r\n")
