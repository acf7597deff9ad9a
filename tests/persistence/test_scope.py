"""This module is the tests of what a verdict says that it proves, where several stand for the log."""

from __future__ import annotations

from apps.persistence.chain.scope import Extent, proves
from apps.persistence.chain.verdict import Held, LogStanding


def held(source: str, who: str, size: int, *, holds: bool = True) -> Held:
    return Held(source=source, who=who, size=size, root=bytes(32), at=None, holds=holds)


def signed(*all_held: Held, first: int = 1) -> list[str]:
    """What the log adds to a reading from `first` to 30."""
    standing = LogStanding(size=30, root=bytes(32), held=all_held, missing=())
    extent = Extent(checked=31 - first, findings=0, unnamed=0, removed=(), log=standing, first=first)
    return list(proves(extent, whole=None))[3:]


def test_all_who_stand_for_one_size_are_named_in_one_sentence() -> None:
    found = signed(held("published", "cim", 24), held("signer", "cim", 24), held("witness", "w.example", 24))

    assert found == [
        "The first 24 sequences are exactly those that were signed: nothing among them was rewritten, cut, inserted, reordered or left "
        "out. So say the checkpoint that is published in the store (cim), the signer itself, from its own disk (cim) and the witness "
        "(w.example)."
    ]


def test_another_size_is_another_sentence_and_who_does_not_hold_says_nothing() -> None:
    found = signed(held("published", "cim", 24), held("witness", "w.example", 20), held("brought", "cim", 10, holds=False))

    assert [sentence.split(":")[0] for sentence in found] == [
        "The first 24 sequences are exactly those that were signed",
        "The first 20 sequences are exactly those that were signed",
    ]
    assert found[1].endswith("So says the witness (w.example).")


def test_reading_from_later_on_says_what_was_read_and_what_was_not() -> None:
    later, none = signed(held("published", "cim", 24), held("witness", "w.example", 9), first=11)

    assert later.startswith("Sequences 11 to 24 were read now")
    assert none == "The log leads to the root of 9 sequences that was signed, as the witness (w.example) says. None of them was read now."
