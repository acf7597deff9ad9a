"""What several nodes wrote to one aggregate while they were apart comes to the same everywhere, and is recorded."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from apps.persistence.events import AggregateDefinition, Event, NewEvent, Scope, StoredEvent, fold, now
from apps.persistence.store import (
    EventBlock,
    Store,
    append,
    append_blocks,
    head_of,
    kv_all,
    load,
)
from apps.persistence.sync import (
    ConflictRule,
    Gathered,
    bring_down,
    list_conflicts,
    merge,
    merged_of,
    pass_on,
)
from apps.persistence.sync.link import SYNC_BUCKET

from .linked_nodes import NOTE, Node, OpenNode, open_node, say

__all__ = ["open_node"]

LIST = AggregateDefinition(
    context="notes",
    type="note",
    title="Note",
    apply=lambda state, event: {"texts": [*state["texts"], event.payload["text"]]},  # type: ignore[misc]
    initial={"texts": []},
)


async def _apart(one: Node, other: Node) -> None:
    """Both have the same beginning, then each writes on by itself."""
    begin = await say(one, "begin")
    await append_blocks(other.store, [EventBlock.read(begin.to_block())])
    await say(one, "one a")
    await say(other, "other a")
    await say(one, "one b")


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_two_that_wrote_apart_are_merged_the_same_whoever_comes_first_and_the_conflict_is_recorded(
    open_node: OpenNode, order: tuple[int, int]
) -> None:
    nodes = [await open_node("one", Scope.CLUSTER), await open_node("other", Scope.CLUSTER)]
    above = await open_node("above", Scope.SUPER_CLUSTER)
    await _apart(*nodes)

    for place in order:
        await pass_on(nodes[place].link, nodes[place].store, above.store.connection)
    for place in order:
        await bring_down(nodes[place].link, above.store.connection, nodes[place].store)

    merged = [await merged_of(node.store, NOTE, node=node.link.node) for node in nodes]
    recorded = [[e.value for e in await kv_all(node.store.connection, SYNC_BUCKET, prefix="conflict")] for node in nodes]
    assert merged[0] == merged[1]
    assert fold(LIST, merged[0].events) == {"texts": ["begin", "one a", "other a", "one b"]}
    assert (len(recorded[0]), recorded[0]) == (1, recorded[1])
    (conflict,) = await list_conflicts(nodes[0].store.connection)
    assert [(one["nodes"], one["actor"]) for one in conflict["contenders"]] == [(["one"], "one"), (["other"], "other")]  # type: ignore[union-attr,call-overload,index]


async def test_rules_say_what_is_kept_and_what_builds_on_a_lost_event_is_lost_with_it(open_node: OpenNode) -> None:
    one, other = await open_node("one", Scope.CLUSTER), await open_node("other", Scope.CLUSTER)
    await _apart(one, other)
    said = [Gathered(node=node.link.node, stored=stored) for node in (one, other) for stored in (await load(node.store, NOTE)).events]

    def texts(events: tuple[Event, ...]) -> list[object]:
        return [event.payload["text"] for event in events]

    first, last = merge(NOTE, said, ConflictRule.FIRST_WINS), merge(NOTE, said, ConflictRule.LAST_WINS)

    assert (texts(first.events), texts(first.left_out)) == (["begin", "one a", "one b"], ["other a"])
    assert (texts(last.events), texts(last.left_out)) == (["begin", "other a"], ["one a", "one b"])


@pytest.mark.parametrize("rule", list(ConflictRule))
async def test_merge_is_the_same_for_every_order_of_what_was_said(rule: ConflictRule, store: Store) -> None:
    said = await _many_lines(store)
    wanted = merge(NOTE, said, rule)

    for seed in range(50):
        shuffled = list(said)
        random.Random(seed).shuffle(shuffled)
        assert merge(NOTE, shuffled, rule) == wanted
    assert len(wanted.events) + len(wanted.left_out) == len({one.stored.cid for one in said})


async def _many_lines(store: Store) -> list[Gathered]:
    """Five nodes that parted again and again, made without servers of their own: random predecessors and times."""
    chance = random.Random(7)
    (begin,) = await append(store, await head_of(store, NOTE), [NewEvent(type="written", payload={"text": "begin"})])
    known: list[StoredEvent] = [begin]
    for number in range(60):
        after = chance.choice(known)
        block = EventBlock.read(_following(after, number, chance).to_block())
        known.append(
            StoredEvent(
                event=block.event,
                cid=block.cid,
                stream="",
                subject="",
                sequence=number,
                stored_at=now(),
                size=len(block.data),
                stored_schema=1,
            )
        )
    return [Gathered(node=f"n{chance.randrange(5)}", stored=one) for one in known for _ in range(2)]


def _following(after: StoredEvent, number: int, chance: random.Random) -> Event:
    event = after.event
    moment = event.time + timedelta(seconds=chance.randrange(3))
    return Event(
        aggregate=NOTE,
        version=event.version + 1,
        type="written",
        schema=1,
        id=event.id,
        time=moment,
        actor="n",
        correlation=event.correlation,
        causation=None,
        scope=Scope.CLUSTER,
        previous=after.cid,
        payload={"text": str(number)},
        metadata={},
    )
