"""Commands as a domain declares them: their shape, reading and writing payloads, what is legal now and why not."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, Literal

import pytest

from apps.domain.cqrs import CommandSet, InvalidFields, command, read_payload, shape_of, to_payload
from apps.domain.orders import ORDER, ORDER_COMMANDS
from apps.domain.values import EmailAddress, Money, Text
from apps.persistence.encoding import Cid, cid_of
from apps.persistence.errors import InvalidInput, InvalidState
from tests.domain.given import COMPLETED, DRAFT, SUBMITTED, Asked, order_after


class Level(StrEnum):
    JUNIOR = "junior"
    SENIOR = "senior"


@dataclass(frozen=True, slots=True, kw_only=True)
class Skill:
    """What somebody can do."""

    name: Text
    level: Level
    years: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hire:
    """Somebody begins to work here.

    A second paragraph is for programmers.
    """

    name: Text
    email: EmailAddress
    begins: date
    signed_at: datetime
    skills: tuple[Skill, ...]
    salary: Money
    contract: Cid
    how: Literal["full time", "part time"] = "full time"
    tags: frozenset[str] = frozenset()
    phones: dict[str, str] = field(default_factory=dict)
    is_remote: bool = False
    note: str | None = field(default=None, metadata={"help": "For the file.", "lines": True})


HIRE = Hire(
    name=Text("Ada"),
    email=EmailAddress("ada@example.org"),
    begins=date(2026, 12, 1),
    signed_at=datetime(2026, 11, 21, 10, 40, 31, tzinfo=UTC),
    skills=(Skill(name=Text("Chess"), level=Level.SENIOR), Skill(name=Text("Sums"), level=Level.JUNIOR, years=1.5)),
    salary=Money(500_000, "EUR"),
    contract=cid_of(b"the contract"),
    tags=frozenset({"b", "a"}),
    phones={"desk": "12"},
)
PAYLOAD: dict[str, Any] = {
    "name": "Ada",
    "email": "ada@example.org",
    "begins": "2026-12-01",
    "signed_at": "2026-11-21T10:40:31.000000Z",
    "skills": [{"name": "Chess", "level": "senior"}, {"name": "Sums", "level": "junior", "years": 1.5}],
    "salary": {"cents": 500_000, "currency": "EUR"},
    "contract": cid_of(b"the contract"),
    "how": "full time",
    "tags": ["a", "b"],
    "phones": {"desk": "12"},
    "is_remote": False,
}


def test_shape_says_kind_help_and_need_of_each_field() -> None:
    shape = shape_of(Hire)

    assert shape.help == "Somebody begins to work here."
    assert [(one.name, one.kind, one.is_required) for one in shape.fields] == [
        ("name", "text", True),
        ("email", "text", True),
        ("begins", "date", True),
        ("signed_at", "time", True),
        ("skills", "list", True),
        ("salary", "group", True),
        ("contract", "cid", True),
        ("how", "choice", False),
        ("tags", "list", False),
        ("phones", "map", False),
        ("is_remote", "switch", False),
        ("note", "lines", False),
    ]
    assert shape.fields[1].help == "An address with one @ and a domain with a dot."
    assert shape.fields[7].options == ("full time", "part time")


def test_payload_is_read_into_the_dataclass_and_written_back() -> None:
    assert to_payload(HIRE) == PAYLOAD
    assert read_payload(Hire, PAYLOAD) == HIRE


@pytest.mark.parametrize(
    ("change", "path", "sentence"),
    [
        ({"name": None}, "name", "The command lacks name."),
        ({"email": "ada"}, "email", "'ada' is no e-mail address"),
        ({"begins": "tomorrow"}, "begins", "Invalid isoformat string: 'tomorrow'"),
        ({"signed_at": "noon"}, "signed_at", "'noon' is no time; write it like"),
        ({"skills": [{"name": "Chess", "level": "grand"}]}, "skills.0.level", "'grand' cannot be chosen: use junior, senior."),
        ({"skills": [{"level": "senior"}]}, "skills.0.name", "The command lacks skills.0.name."),
        ({"salary": {"cents": -1, "currency": "EUR"}}, "salary", "-1 is no amount"),
        ({"salary": {"cents": True, "currency": "EUR"}}, "salary.cents", "salary.cents is True; it must be a whole number."),
        ({"contract": "bafy"}, "contract", "contract is 'bafy'; it must be a CID."),
        ({"how": "never"}, "how", "'never' cannot be chosen: use full time, part time."),
        ({"is_remote": "yes"}, "is_remote", "is_remote is 'yes'; it must be true or false."),
        ({"phones": ["12"]}, "phones", "phones is ['12']; it must be a map."),
        ({"salery": 1}, "", "The command holds salery, which it does not take."),
    ],
)
def test_wrong_payload_is_refused_at_its_field(change: dict[str, Any], path: str, sentence: str) -> None:
    with pytest.raises(InvalidFields) as refused:
        read_payload(Hire, {**PAYLOAD, **change})

    (problem,) = refused.value.problems
    assert problem.path == path
    assert problem.sentence.startswith(sentence)


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(InvalidFields) as refused:
        read_payload(Hire, {**PAYLOAD, "name": "", "email": "ada", "extra": 1})

    assert [problem.path for problem in refused.value.problems] == ["name", "email", ""]


def test_payload_that_is_no_map_is_refused() -> None:
    with pytest.raises(InvalidFields, match=r"The payload is \[1\]; it must be a map"):
        read_payload(Hire, [1])


# -- what is legal now -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "name", "reason"),
    [
        (DRAFT, "submit", ""),
        (DRAFT, "add_item", ""),
        (DRAFT, "create", "The order exists already; give a new one another id."),
        (DRAFT, "complete", "The order is draft and cannot become completed; it can only become submitted, cancelled."),
        (SUBMITTED, "add_item", "The order is submitted; add item is only legal when it is draft."),
        (COMPLETED, "cancel", "The order is completed and cannot become cancelled; completed is final."),
        (DRAFT[:1], "submit", "The order has nothing on it; it cannot be submitted yet."),
        ((), "submit", "There is no such order; create it first."),
        ((), "create", ""),
    ],
)
def test_refusal_says_why_a_command_is_not_legal_now(before: tuple[Asked, ...], name: str, reason: str) -> None:
    assert ORDER_COMMANDS.refusal_of(ORDER_COMMANDS.find(name), order_after(*before)) == reason


def test_unknown_command_is_refused_with_those_there_are() -> None:
    with pytest.raises(InvalidInput, match="The order knows no command 'ship'; it knows create, add_item"):
        ORDER_COMMANDS.find("ship")


def test_command_that_nobody_decides_cannot_be_declared() -> None:
    with pytest.raises(InvalidInput, match="Nothing decides skill of order"):
        CommandSet(definition=ORDER, commands=[command(Skill)])


def test_set_with_a_decision_of_its_own_needs_no_handlers() -> None:
    def refuse(state: dict[str, Any], sent: object) -> list[Any]:
        raise InvalidState("Not today.")

    commands = CommandSet(definition=ORDER, commands=[command(Skill)], decide=refuse)

    assert commands.find("skill").title == "Skill"
