"""The two verifiers of evidence, the page that works from disk and the Python file, come to one verdict, and neither is taken in."""

from __future__ import annotations

import os
import random
import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from apps.persistence.content import cid_of_bytes
from apps.persistence.encoding import Cid, cid_of
from apps.persistence.events import AggregateRef
from apps.persistence.log import KeyKind, SigningKey
from apps.persistence.store.layout import CONSOLE
from apps.persistence.transfer.car import write_header, write_section
from apps.persistence.transfer.evidence import pack
from apps.persistence.transfer.evidence_texts import PAGE
from apps.persistence.transfer.evidence_verifier import read_car
from tests.browser.both_verifiers import WHOLE, Change, agreed, slim
from tests.persistence.bad_cars import bad_cars
from tests.persistence.made_evidence import MadeLog, before_the_change, change_of, new_witness, signed_by_older_key
from tests.persistence.misleading_evidence import MISLEADING
from tests.persistence.raw_stream import make_chain

MUTATIONS = int(os.environ.get("CIM_MUTATIONS", "300"))

WITNESS, ABSENT = new_witness("one.example"), new_witness("two.example")
LOG_BEFORE = SigningKey.generate("cim", KeyKind.LOG)
LOG = MadeLog(witnesses=[WITNESS, ABSENT], seen_by=[WITNESS])
TRAIL = MadeLog(
    layout=CONSOLE, key=LOG.key, events=make_chain(AggregateRef("console", "run", "r1"), 5), witnesses=[WITNESS], seen_by=[WITNESS]
)
KEYS = [LOG.vkey, WITNESS.verifier.vkey]


WITH_TRAIL = pack([LOG.proved(slice(3, 20)), TRAIL.proved()], by="vera", reason="the audit", without=["something"]).data
FILES = {
    "aggregate": slim(LOG.evidence(slice(0, 24, 3)).data),
    "range": slim(LOG.evidence(slice(2, 9), since=11).data),
    "one event": slim(LOG.evidence(slice(5, 6), since=16, is_signed=False).data),
    "trail": slim(WITH_TRAIL),
    "another key": slim(replace(LOG, older_key=LOG_BEFORE, older_size=5).evidence(slice(6, 8), since=4).data),
}

CHANGED = MadeLog(older_key=LOG_BEFORE, older_size=11)
BEFORE = before_the_change(CHANGED, 11)

DROP = """([data, name]) => {
  const dropped = new DataTransfer();
  dropped.items.add(new File([Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0))], name));
  document.body.dispatchEvent(new DragEvent("drop", { bubbles: true, dataTransfer: dropped }));
}"""


@pytest.fixture(scope="module")
def verifier(browser: Browser) -> Iterator[Page]:
    """The page as somebody opens it from disk, where every request to a network fails the test."""
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(PAGE.as_uri())
    yield page
    assert asked == [PAGE.as_uri()]
    page.close()


@pytest.mark.parametrize("name", FILES)
def test_both_find_it_intact_in_the_same_words(verifier: Page, name: str) -> None:
    data = FILES[name]
    policy = f"log {LOG.vkey}\nwitness a {WITNESS.verifier.vkey}\nwitness b {ABSENT.verifier.vkey}\ngroup g {{}} a b\nquorum g\n"

    assert agreed(verifier, data, [WHOLE], vkeys=KEYS) == ["intact"]
    assert agreed(verifier, data, [WHOLE]) == ["intact"]
    assert agreed(verifier, data, [WHOLE], policy=policy.format("any")) == ["intact"]
    assert agreed(verifier, data, [WHOLE], policy=policy.format("all")) == ["no key"]
    assert agreed(verifier, data, [WHOLE], vkeys=[LOG.vkey, ABSENT.verifier.vkey]) == ["no key"]
    assert agreed(verifier, data, [WHOLE], vkeys=[ABSENT.verifier.vkey]) == ["no key"]
    assert agreed(verifier, data, [WHOLE], vkeys=[LOG_BEFORE.verifier.vkey]) == ["intact" if name == "another key" else "no key"]
    assert agreed(verifier, data, [WHOLE], vkeys=["nonsense"]) == ["unusable"]


@pytest.mark.parametrize("name", FILES)
def test_both_refuse_every_changed_byte(verifier: Page, name: str) -> None:
    data, chance = FILES[name], random.Random(name)

    assert "intact" not in agreed(verifier, data, _one_byte_each(data, chance, MUTATIONS // len(FILES)))


def test_both_refuse_every_changed_byte_of_a_file_with_all_that_belongs_in_it(verifier: Page) -> None:
    assert "intact" not in agreed(verifier, WITH_TRAIL, _one_byte_each(WITH_TRAIL, random.Random(7), MUTATIONS // 10))


@pytest.mark.parametrize("name", FILES)
def test_both_refuse_what_is_cut_off_added_taken_out_or_moved(verifier: Page, name: str) -> None:
    data, chance = FILES[name], random.Random(name)
    cuts = [(chance.randrange(len(data)), len(data), b"") for _ in range(10)]
    added = [(len(data), len(data), chance.randbytes(chance.randrange(1, 80))) for _ in range(10)]
    ends = _ends_of_sections(data)
    taken = [(start, end, b"") for start, end in _pairs(ends)]
    doubled = [(end, end, data[start:end]) for start, end in _pairs(ends)]

    assert "intact" not in agreed(verifier, data, [*cuts, *added, *taken, *doubled])


def test_both_take_blocks_in_any_order(verifier: Page) -> None:
    data = FILES["range"]
    *_, (first, middle), (_, end) = _pairs(_ends_of_sections(data))

    assert agreed(verifier, data, [(first, end, data[middle:end] + data[first:middle])], vkeys=KEYS) == ["intact"]


@pytest.mark.parametrize("name", FILES)
def test_both_refuse_each_changed_byte_of_a_file_whose_names_are_right_again(verifier: Page, name: str) -> None:
    """The forger packs it anew; only what nobody signs can be changed: texts of the manifest, names and files that say nothing."""
    chance = random.Random(name)
    forged = [_forged(FILES[name], chance) for _ in range(max(1, MUTATIONS // len(FILES) // 2))]

    for start in range(0, len(forged), 50):
        part = forged[start : start + 50]
        kinds = agreed(verifier, b"", [(0, 0, data) for data, _ in part], vkeys=KEYS)
        assert [what for kind, (_, what) in zip(kinds, part, strict=True) if kind == "intact" and what.startswith("signed")] == []


def test_both_refuse_files_that_are_wrong_in_one_way(verifier: Page) -> None:
    cars = bad_cars(FILES["range"])
    kinds = agreed(verifier, b"", [(0, 0, data) for data in cars.values()], vkeys=KEYS)

    assert {what for what, kind in zip(cars, kinds, strict=True) if kind == "intact"} == {"blocks changed over"}


def test_both_take_a_key_up_to_what_it_signed_last_before_another_followed(verifier: Page) -> None:
    log = MadeLog(key=LOG.key, older_key=LOG_BEFORE, older_size=11)
    files = [slim(signed_by_older_key(log, size)) for size in (10, 11, 12)]
    files += [slim(signed_by_older_key(log, 11, events=log.events[::-1])), slim(signed_by_older_key(replace(log, older_size=0), 11))]
    changes = [(0, 0, data) for data in files]

    for vkeys in ([], [LOG.vkey], [LOG_BEFORE.verifier.vkey]):
        assert agreed(verifier, b"", changes, vkeys=vkeys) == ["intact", "intact", "no key", "no key", "no key"]
    older = slim(signed_by_older_key(replace(log, older_size=None), 12))
    assert agreed(verifier, older, [WHOLE], vkeys=[LOG_BEFORE.verifier.vkey]) == ["intact"]
    assert agreed(verifier, older, [WHOLE], vkeys=[LOG.vkey]) == ["no key"]


def test_both_follow_the_notes_of_changes_that_came_after_the_file(verifier: Page) -> None:
    log = MadeLog(key=LOG.key, older_key=LOG_BEFORE, older_size=11)
    again = replace(log, key=SigningKey.generate("cim", KeyKind.LOG), older_key=LOG.key, older_size=24)
    first, second = change_of(log), change_of(again)
    files = [slim(before_the_change(log, 11)), slim(before_the_change(log, 12)), slim(signed_by_older_key(log, 11))]

    def verdicts(vkey: str, notes: str) -> list[str]:
        return agreed(verifier, b"", [(0, 0, data) for data in files], vkeys=[vkey], changes=notes)

    assert verdicts(log.vkey, first) == ["intact", "no key", "intact"]
    for notes in (second + first, f"\n{first}\n\n{second[:-1]}", first + second + first):
        assert verdicts(again.vkey, notes) == ["intact", "no key", "intact"]
    assert verdicts(again.vkey, second) == ["no key", "no key", "intact"]
    assert verdicts(log.vkey, first[:-9]) == ["unusable"] * 3


@pytest.mark.parametrize("what", MISLEADING)
def test_both_say_the_same_of_a_file_that_would_mislead(verifier: Page, what: str) -> None:
    case = MISLEADING[what]

    assert agreed(verifier, slim(case.data), [WHOLE], **case.keys) == [case.verdict]


def test_comments_above_keys_are_passed_over_and_comments_alone_are_no_keys(verifier: Page) -> None:
    data, comment = FILES["range"], "# as the signer said it\n"

    def judged(text: str) -> object:
        changes = """async ([data, text]) => {
          const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
          return (await evidence_page.judge(bytes, evidence_page.readKeys(text))).heading;
        }"""
        return verifier.evaluate(changes, [b64encode(data).decode(), text])

    assert judged(comment + f"  {LOG.vkey} \n") == "Intact"
    assert judged(comment) == "Not checked"
    assert judged(LOG.vkey[:-3]) == "Not checked"
    assert judged(f"\ufeff{LOG.vkey}") == "Not checked"
    assert judged(" \n") == "Intact, by the keys in the file itself"


def test_somebody_opens_the_page_from_disk_and_reads_the_verdict(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "whole.evidence.car").write_bytes(WITH_TRAIL)
    (tmp_path / "changed.evidence.car").write_bytes(WITH_TRAIL.replace(b"item_added", b"item_sadly", 1))
    page = browser.new_page()
    page.goto(PAGE.as_uri())
    verdict = page.get_by_role("region", name=re.compile("ntact|verified"))

    page.get_by_label("The file").set_input_files(tmp_path / "whole.evidence.car")
    expect(verdict).to_contain_text("Compare these keys with keys that you noted")
    page.get_by_label("Keys that you noted").fill("\n".join(KEYS))
    page.get_by_role("button", name="Check it").click()
    expect(page.get_by_role("heading", name="Intact", exact=True)).to_be_visible()
    expect(verdict).to_contain_text("console.run.r1: versions 1 to 5, without a gap")
    expect(verdict).to_contain_text("It does not prove")
    page.get_by_label("The file").set_input_files(tmp_path / "changed.evidence.car")
    expect(page.get_by_role("heading", name="Not intact")).to_be_visible()
    page.get_by_label("Keys that you noted").fill(ABSENT.verifier.vkey)
    page.get_by_label("The file").set_input_files(tmp_path / "whole.evidence.car")
    expect(page.get_by_role("heading", name="Not verified")).to_be_visible()
    page.evaluate(DROP, [b64encode(BEFORE).decode(), "before.car"])
    expect(verdict).to_contain_text("of a file from before a change of that key give the note of the change too")
    page.get_by_label("Keys that you noted").fill(CHANGED.vkey)
    page.get_by_label("Changes of the log's key").fill(change_of(CHANGED))
    page.get_by_role("button", name="Check it").click()
    expect(page.get_by_role("heading", name="Intact", exact=True)).to_be_visible()
    page.evaluate(DROP, [b64encode(WITH_TRAIL[:-1]).decode(), "dropped.car"])
    expect(verdict).to_contain_text("dropped.car")
    expect(verdict).to_contain_text("The file is cut off.")
    page.close()


# -- the forger -------------------------------------------------------------------------------------------------------------------------


def _forged(data: bytes, chance: random.Random) -> tuple[bytes, str]:
    """The file with one byte of one block changed and every CID right again, and what that block was."""
    root, blocks = read_car(data)
    cid = chance.choice([*blocks])
    block = bytearray(blocks[cid])
    block[chance.randrange(len(block))] ^= chance.randrange(1, 256)
    named = cid_of(bytes(block)) if cid[1] == 0x71 else cid_of_bytes(bytes(block))
    manifest = bytes(block) if cid == root else blocks[root].replace(cid, named.raw)
    changed = {named.raw if one == cid else bytes(one): bytes(block) if one == cid else old for one, old in blocks.items() if one != root}
    parts = [write_header([cid_of(manifest)]), write_section(cid_of(manifest), manifest)]
    parts += [write_section(Cid(one), content) for one, content in changed.items() if one != cid_of(manifest).raw]
    is_signed = cid != root and (cid[1] == 0x71 or not re.search(rb"<!doctype|^#|KEY below|This module is the verifier", blocks[cid][:200]))
    return b"".join(parts), f"signed {bytes(blocks[cid])[:60]!r}" if is_signed else "not signed"


def _one_byte_each(data: bytes, chance: random.Random, count: int) -> list[Change]:
    places = [chance.randrange(len(data)) for _ in range(count)]
    return [(place, place + 1, bytes([data[place] ^ chance.randrange(1, 256)])) for place in places]


def _ends_of_sections(data: bytes) -> list[int]:
    """Where each block ends, and before them where the header does."""
    ends = [data[0] + 1]
    while ends[-1] < len(data):
        at, number, shift = ends[-1], 0, 0
        while data[at] >= 0x80:
            number |= (data[at] & 0x7F) << shift
            at, shift = at + 1, shift + 7
        ends.append(at + 1 + (number | data[at] << shift))
    return ends


def _pairs(ends: list[int]) -> list[tuple[int, int]]:
    return list(pairwise(ends))
