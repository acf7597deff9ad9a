"""This module is the test of what the streams pages say of streams and consumers: order, filters, warnings, in plain words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from apps.persistence.store import EVENTS, ConsumerInfo, StreamInfo
from apps.persistence.store.streams import to_consumer_info, to_stream_info
from apps.streams.configuration import concerns_of
from apps.streams.consumers import ConsumersPage, warnings_of
from apps.streams.event_rows import why_missing
from apps.streams.listing import ListQuery, list_rows
from apps.streams.rates import Rates
from apps.streams.survey import Lag, StreamRow, nearest_limit

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def stream(
    name: str, *, messages: int = 10, size: int = 0, last: str = "2026-11-21T11:59:00Z", cluster: Any = None, **config: Any
) -> StreamInfo:
    return to_stream_info(
        {
            "config": {"name": name, "subjects": [f"{name.lower()}.>"], "allow_direct": True, **config},
            "created": "2026-11-01T00:00:00Z",
            "state": {
                "messages": messages,
                "bytes": size,
                "first_seq": 1,
                "first_ts": "2026-11-21T11:00:00Z",
                "last_seq": messages,
                "last_ts": last,
                "consumer_count": config.get("consumers", 0),
            },
            "cluster": cluster,
        }
    )


def row(info: StreamInfo, *, rate: float | None = None, lag: int | None = None, is_idle: bool = False) -> StreamRow:
    return StreamRow(
        stream=info,
        rate=rate,
        line=(),
        lag=None if lag is None else Lag(consumer="reader", events=lag),
        limit=nearest_limit(info, NOW),
        mark=None,
        is_idle=is_idle,
    )


def consumer(*, pending: int = 0, ack_pending: int = 0, config: dict[str, Any] | None = None, **answer: Any) -> ConsumerInfo:
    return to_consumer_info(
        {
            "stream_name": "ORDERS",
            "name": "reader",
            "created": "2026-11-01T00:00:00Z",
            "config": {"durable_name": "reader", "max_ack_pending": 1000, "ack_wait": 30_000_000_000, **(config or {})},
            "delivered": {"stream_seq": 5, **({"last_active": answer.pop("last_active")} if "last_active" in answer else {})},
            "ack_floor": {"stream_seq": 2},
            "num_pending": pending,
            "num_ack_pending": ack_pending,
            **answer,
        }
    )


def names(rows: list[StreamRow], **query: str) -> list[str]:
    return [found.name for found in list_rows(rows, ListQuery.from_get(query)).rows]


def sentences(info: ConsumerInfo) -> list[str]:
    return [warning.sentence for warning in warnings_of(info, NOW)]


def test_figures_are_sorted_as_numbers() -> None:
    rows = [row(stream("A", size=9)), row(stream("B", size=10_000)), row(stream("C", size=200))]

    assert names(rows, sort="-bytes") == ["B", "C", "A"]
    assert names(rows, sort="bytes") == ["A", "C", "B"]


def test_what_has_no_figure_comes_last_in_either_order() -> None:
    rows = [row(stream("A")), row(stream("B"), lag=3), row(stream("C"), lag=700)]

    assert names(rows, sort="-lag") == ["C", "B", "A"]
    assert names(rows, sort="lag") == ["B", "C", "A"]


def test_system_streams_are_folded_until_they_are_asked_for() -> None:
    rows = [row(stream(name)) for name in ("ORDERS", "KV_a", "OBJ_b", "$MQTT_c")]

    listing = list_rows(rows, ListQuery())

    assert [found.name for found in listing.rows] == ["ORDERS"]
    assert listing.hidden_system == 3
    assert names(rows, system="1") == ["$MQTT_c", "KV_a", "OBJ_b", "ORDERS"]


def test_chips_hold_together_and_with_the_name() -> None:
    rows = [row(stream("ORDERS"), lag=5000), row(stream("ORDERS-OLD"), is_idle=True), row(stream("JOBS"), lag=5000)]

    assert names(rows, only="behind") == ["JOBS", "ORDERS"]
    assert names(rows, only="behind", q="ord") == ["ORDERS"]
    assert names(rows, only="behind,idle") == []
    assert names(rows, q="jobs.>") == ["JOBS"]


def test_every_address_of_the_list_keeps_the_rest_of_the_question() -> None:
    listing = list_rows([row(stream("A"))], ListQuery.from_get({"q": "a", "only": "idle", "sort": "-bytes", "system": "1", "page": "1"}))

    assert listing.columns["bytes"].address == "?q=a&only=idle&sort=bytes&system=1"
    assert listing.columns["bytes"].direction == "descending"
    assert listing.without_system == "?q=a&only=idle&sort=-bytes"


def test_a_page_beyond_the_last_shows_the_last() -> None:
    rows = [row(stream(f"S{number:03}")) for number in range(230)]

    listing = list_rows(rows, ListQuery(page=99))

    assert (listing.first, listing.last, listing.matching) == (201, 230, 230)
    assert listing.page_after == ""


def test_a_consumer_is_behind_when_it_lacks_more_than_comes_in_within_ten_seconds() -> None:
    assert not row(stream("A"), rate=1000, lag=9_999).is_behind
    assert row(stream("A"), rate=1000, lag=10_000).is_behind
    assert not row(stream("A"), lag=9).is_behind


def test_the_limit_that_is_used_most_is_named_from_eighty_percent_on() -> None:
    near = nearest_limit(stream("A", messages=95, size=850, max_msgs=100, max_bytes=1000), NOW)

    assert near is not None
    assert (near.what, near.percent) == ("events", 95)
    assert nearest_limit(stream("A", messages=79, max_msgs=100), NOW) is None


def test_age_counts_as_a_limit() -> None:
    near = nearest_limit(stream("A", max_age=3600 * 10**9), NOW)

    assert near is not None
    assert near.what == "age"


def test_a_replica_that_is_behind_is_named() -> None:
    info = stream("A", num_replicas=3, cluster={"leader": "n1", "replicas": [{"name": "n2", "current": True}, {"name": "n3", "lag": 40}]})

    assert row(info).lagging == ("n3",)
    assert row(info).current_replicas == 2


def test_a_full_consumer_says_that_delivery_is_stopped() -> None:
    assert "Ack pending 1,000 of 1,000: delivery is stopped until acknowledgements arrive." in sentences(consumer(ack_pending=1000))


def test_a_stream_named_like_a_shell_command_stays_a_name_in_the_command_to_copy() -> None:
    assert ConsumersPage(stream=stream("x;reboot"), rows=()).add_command == "nats consumer add 'x;reboot'"


def test_a_push_consumer_that_nobody_hears_says_so() -> None:
    assert sentences(consumer(config={"deliver_subject": "x"}, push_bound=False)) == [
        "A push consumer with nobody subscribed: nothing is delivered until somebody listens."
    ]
    assert sentences(consumer(config={"deliver_subject": "x"}, push_bound=True)) == []


def test_a_paused_consumer_says_until_when() -> None:
    assert sentences(consumer(pending=5, paused=True, config={"pause_until": "2026-12-01T00:00:00Z"})) == [
        "Paused until 1 Dec 00:00:00.000 UTC, 9 d 12 h from now."
    ]


def test_redelivery_is_told_with_the_time_it_waits() -> None:
    found = sentences(consumer(ack_pending=3, num_redelivered=3, num_waiting=1, last_active="2026-11-21T11:59:59Z"))

    assert found == ["Redelivering 3: these were given out before and not acknowledged within 30 s."]


def test_a_consumer_that_nobody_asks_says_so_and_one_that_waits_does_not() -> None:
    assert sentences(consumer(pending=5, last_active="2026-11-21T11:00:00Z")) == [
        "Nobody asks for its 5 waiting events since 21 Nov 11:00:00.000 UTC: its worker may not run."
    ]
    assert sentences(consumer(pending=5, num_waiting=1)) == []


def test_lag_is_pending_and_ack_pending_whatever_the_sequences_say() -> None:
    filtered_and_done = consumer(delivered={"stream_seq": 5}, num_waiting=1)

    assert filtered_and_done.lag == 0
    assert consumer(pending=4, ack_pending=3).lag == 7


def test_a_chained_stream_that_may_lose_events_is_a_grave_concern() -> None:
    concerns = concerns_of(stream("CIM-EVENTS", max_age=10**12, deny_delete=True, deny_purge=True, allow_atomic=True), EVENTS)

    assert concerns[0].state == "bad"
    assert "can vanish here (max_age)" in concerns[0].sentence


def test_a_stream_that_refuses_new_events_at_its_limit_loses_none() -> None:
    info = stream("CIM-EVENTS", max_bytes=10**9, discard="new", deny_delete=True, deny_purge=True, allow_atomic=True, num_replicas=3)

    assert concerns_of(info, EVENTS) == ()


def test_a_stream_without_direct_get_says_what_that_costs_and_how_to_mend_it() -> None:
    (concern,) = concerns_of(stream("ORDERS", allow_direct=False), None)

    assert "nats stream edit ORDERS --allow-direct" in concern.sentence


def test_a_gap_is_explained_by_what_the_stream_is() -> None:
    assert why_missing(stream("A", retention="workqueue")) == ("acknowledged, and so removed", True)
    assert why_missing(stream("A", max_msgs_per_subject=1)) == ("replaced by newer ones of the same subject, or deleted", True)
    assert why_missing(stream("A", deny_delete=True, deny_purge=True))[1] is False


def test_a_rate_needs_two_looks_a_second_apart() -> None:
    rates = Rates()

    rates.note([stream("A", messages=100)], 0.0)
    rates.note([stream("A", messages=130)], 0.5)
    assert rates.per_second(stream("A")) is None
    rates.note([stream("A", messages=150)], 10.0)

    assert rates.per_second(stream("A")) == 5.0


def test_a_rate_forgets_what_is_older_than_its_window() -> None:
    rates = Rates()

    for second in range(60):
        rates.note([stream("A", messages=1000 if second > 30 else 0)], float(second))

    assert rates.per_second(stream("A")) == 0.0
