"""A verification of what is new relies on what was verified before only while it is the same stream, and claims only what it read."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import pytest

from apps.persistence.chain import MARKS_BUCKET, Mark, read_mark, verify_stream, write_mark
from apps.persistence.encoding import decode, encode
from apps.persistence.log.published import publish_refusal
from apps.persistence.operations.verify import Verify
from apps.persistence.store import kv_get, kv_put, read_batch

from .engine_stage import append_events
from .test_verify_log import STREAM, Signed, signed

__all__ = ["signed"]


async def mark_of(signed: Signed) -> Mark:
    mark = await read_mark(signed.stage.store, STREAM)
    assert mark is not None
    return mark


async def cut(signed: Signed, *, to: int) -> None:
    """Make the stream anew from its first events."""
    connection = signed.admin.connection
    kept = (await read_batch(connection, STREAM, limit=1000)).messages
    config = (await connection.api(f"STREAM.INFO.{STREAM}"))["config"]
    await connection.api(f"STREAM.DELETE.{STREAM}")
    await connection.api(f"STREAM.CREATE.{STREAM}", config)
    for message in kept[:to]:
        await connection.request(message.subject, message.data)


def causes(figures: dict[str, Any]) -> list[tuple[str, int]]:
    return [(one["cause"], one["sequence"]) for one in figures["findings"]]


async def test_stream_that_was_made_anew_is_read_from_its_first_sequence(signed: Signed, monkeypatch: pytest.MonkeyPatch) -> None:
    await signed.verify(monkeypatch)
    await signed.rewrite(70)
    await append_events(signed.stage.store, 5, aggregate="o3")

    new = await signed.verify(monkeypatch, full="")

    assert (new["from"], causes(new)) == (1, [("link_broken", 71), ("history_rewritten", 70)])
    assert (await mark_of(signed)).first_bad_sequence == 70


async def test_mark_from_before_marks_said_when_the_stream_was_made_is_not_relied_on_either(
    signed: Signed, monkeypatch: pytest.MonkeyPatch
) -> None:
    await signed.verify(monkeypatch)
    connection = signed.stage.store.connection
    entry = await kv_get(connection, MARKS_BUCKET, STREAM)
    assert entry is not None
    value: Any = decode(entry.value)
    await kv_put(connection, MARKS_BUCKET, STREAM, encode({name: value[name] for name in value if name not in ("created", "known")}))
    assert (await mark_of(signed)).created is None
    await signed.rewrite(70)
    await append_events(signed.stage.store, 5, aggregate="o3")

    assert (await signed.verify(monkeypatch, full=""))["from"] == 1


async def test_stream_that_the_signer_refuses_is_read_from_its_first_sequence(signed: Signed, monkeypatch: pytest.MonkeyPatch) -> None:
    await signed.verify(monkeypatch)
    await append_events(signed.stage.store, 5, aggregate="o3")
    await publish_refusal(signed.stage.store.connection, STREAM, "The first difference is at sequence 5.")

    assert (await signed.verify(monkeypatch, full=""))["from"] == 1


async def test_plan_says_why_all_is_read(signed: Signed, monkeypatch: pytest.MonkeyPatch) -> None:
    await signed.verify(monkeypatch)
    await publish_refusal(signed.stage.store.connection, STREAM, "The first difference is at sequence 5.")

    plan = await Verify().plan(signed.stage.store, signed.stage.registry)

    assert any("the signer refuses it; so all of it is read, from the first sequence" in note for note in plan.notes)


async def test_only_what_was_read_now_is_said_to_be_as_it_was_signed(signed: Signed, monkeypatch: pytest.MonkeyPatch) -> None:
    await signed.verify(monkeypatch)
    mark = await mark_of(signed)
    await append_events(signed.stage.store, 90, aggregate="o2")
    unsigned = await signed.verify(monkeypatch, full="", size=25)
    await append_events(signed.stage.store, 10, aggregate="o2")
    await signed.sign()

    new = await signed.verify(monkeypatch, full="")

    said = [sentence for sentence in new["proves"] if "signed" in sentence]
    assert all(sentence.startswith("Sequences 211 to 220 were read now and, together with what the log keeps") for sentence in said)
    assert f"verified to 210 on {mark.at:%Y-%m-%d}" in said[0]
    assert "nothing among those read now was rewritten" in said[0]
    assert any("120 sequences that was signed" in one and "None of them was read now" in one for one in unsigned["proves"])


async def test_findings_after_a_cut_are_counted_once_and_the_mark_ends_where_the_stream_does(
    signed: Signed, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with signed.stage.worker():
        await signed.stage.wait(await signed.stage.ask("record-heads", {"stream": STREAM}))
    await signed.verify(monkeypatch)
    await cut(signed, to=50)

    first = await signed.verify(monkeypatch, full="")
    mark = await mark_of(signed)
    await append_events(signed.stage.store, 5, aggregate="o4")
    second = await signed.verify(monkeypatch, full="")

    again = await mark_of(signed)
    assert "sequence 1 to 50" in first["sentence"]
    assert first["rests_on"] is None
    assert (mark.sequence, mark.intact, mark.first_bad_sequence) == (50, False, 51)
    assert (second["from"], second["to"]) == (51, 55)
    assert (again.sequence, again.intact) == (55, False)
    assert again.findings == len({(one["cause"], one["aggregate"]) for one in [*first["findings"], *second["findings"]]})


async def test_mark_of_a_stream_that_is_cut_is_lowered_while_it_grows(signed: Signed, monkeypatch: pytest.MonkeyPatch) -> None:
    await signed.verify(monkeypatch)
    await cut(signed, to=50)
    verdict = await verify_stream(signed.stage.store, mark=await mark_of(signed))

    mark = await write_mark(signed.stage.store, replace(verdict, reaches_end=False), by="ada")

    assert mark is not None
    assert mark.sequence == 50
    assert asdict(mark)["intact"] is False
