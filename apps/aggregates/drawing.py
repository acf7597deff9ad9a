"""This module is a state machine as a picture: states in columns from where a life begins to where it ends, moves as arrows.

Everything is worked out here from the machine's table; the template writes it down as SVG.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlencode

from apps.domain.cqrs import CommandSet
from apps.domain.cqrs.shape import words_of
from apps.domain.machine import MealyMachine, StateMachine

from .curves import Curve, Frame, Room, between

GAP, ROW = 64, 88
LEAST_WIDTH, HEIGHT = 108, 36
EDGE, TOP, UNDER = 14, 44, 40
BOLD_LETTER = 8.8
"""The width of a letter on average, in the widest of the fonts that stand in where a machine has not the one that is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """What is special now: where the aggregate stands, and the addresses of the commands that are legal."""

    status: str = ""
    links: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A state. `kind` is "current", "next", "final" or "other"; a next one has the address of the command that leads there."""

    name: str
    title: str
    frame: Frame
    kind: str
    address: str = ""

    @property
    def text_y(self) -> int:
        return self.frame.level + 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """The name of what makes a move; with an address where it can be sent now."""

    title: str
    x: int
    y: int
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrow:
    """A move, as the path of an SVG."""

    path: str
    is_legal: bool
    labels: tuple[Label, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """The whole picture; `sentence` says it to people who do not see it."""

    width: int
    height: int
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    sentence: str


_Moves = Mapping[tuple[str, str], tuple[str, ...]]


def draw(commands: CommandSet, marked: Marked) -> Drawing | None:
    """The machine of an aggregate type; None where it declares none."""
    states = commands.states
    if states is None:
        return None
    moves, places, room = moves_of(commands, states), _places(states), Room()
    widths = _widths(places)
    boxes = {name: _box(commands, name, _frame(place, widths), moves, marked) for name, place in places.items()}
    for box in boxes.values():
        room.cover(box.frame)
    curves = {(one, to): between(boxes[one].frame, boxes[to].frame, places[to][0] - places[one][0]) for one, to in moves}
    arrows = tuple(
        _arrow(curves[source, to], room, {name: _way(commands, marked, name, to) if source == marked.status else "" for name in names})
        for (source, to), names in moves.items()
    )
    deepest = max(row for _, row in places.values())
    return Drawing(
        width=2 * EDGE + sum(widths) + (len(widths) - 1) * GAP,
        height=TOP + deepest * ROW + HEIGHT + UNDER,
        boxes=tuple(boxes.values()),
        arrows=arrows,
        sentence=_sentence(states, marked),
    )


def moves_of(commands: CommandSet, states: StateMachine[Any]) -> dict[tuple[str, str], tuple[str, ...]]:
    """From each state to each that may follow: the commands or inputs that do it; none where only an event of another cause does."""
    named: dict[tuple[str, str], list[str]] = defaultdict(list)
    if isinstance(commands.machine, MealyMachine):
        for state, inputs in commands.machine.table.items():
            for name, move in inputs.items():
                named[str(state), str(move.to)].append(name)
    for one in commands.commands:
        for source in commands.sources_of(one) or ():
            for to in commands.targets_of(one) & states.transitions.get(source, frozenset()):
                if one.name not in named[source, to]:
                    named[source, to].append(one.name)
    every = {(str(state), str(to)) for state in states.transitions for to in states.valid_transitions(state)}
    return {move: tuple(named.get(move, ())) for move in sorted(every, key=lambda move: _order(states, move))}


def _order(states: StateMachine[Any], move: tuple[str, str]) -> tuple[int, int]:
    names = [str(state) for state in states.transitions]
    return names.index(move[0]), names.index(move[1])


def _places(states: StateMachine[Any]) -> dict[str, tuple[int, int]]:
    """Column and row of each state: how many moves it is away from the beginning, final ones behind all that lead to them."""
    depth: dict[str, int] = {str(states.initial): 0}
    waiting = [states.initial]
    while waiting:
        state = waiting.pop(0)
        for following in states.valid_transitions(state):
            if str(following) not in depth:
                depth[str(following)] = depth[str(state)] + 1
                waiting.append(following)
    for state in states.transitions:
        depth.setdefault(str(state), 0)
    for state in states.transitions:
        before = [depth[str(one)] for one in states.transitions if state in states.transitions[one]]
        if states.is_final(state) and before:
            depth[str(state)] = max(before) + 1
    taken: dict[int, int] = defaultdict(int)
    places: dict[str, tuple[int, int]] = {}
    for state in states.transitions:
        column = depth[str(state)]
        places[str(state)] = (column, taken[column])
        taken[column] += 1
    return places


def _widths(places: Mapping[str, tuple[int, int]]) -> tuple[int, ...]:
    """Of each column: as wide as its longest title needs."""
    widths = [LEAST_WIDTH] * (1 + max(column for column, _ in places.values()))
    for name, (column, _) in places.items():
        widths[column] = max(widths[column], round(len(words_of(name)) * BOLD_LETTER) + 18)
    return tuple(widths)


def _frame(place: tuple[int, int], widths: tuple[int, ...]) -> Frame:
    column, row = place
    return Frame(x=EDGE + sum(widths[:column]) + column * GAP, y=TOP + row * ROW, width=widths[column], height=HEIGHT)


def _way(commands: CommandSet, marked: Marked, name: str, to: str) -> str:
    """The address of the form that makes this move now, with the state chosen where the form asks for it; empty where none does."""
    address, declared = marked.links.get(name, ""), commands.by_name.get(name)
    asks = commands.field_of_target(declared) if declared else ""
    return f"{address}?{urlencode({asks: to})}" if address and asks else address


def _box(commands: CommandSet, name: str, frame: Frame, moves: _Moves, marked: Marked) -> Box:
    states = cast(StateMachine[Any], commands.states)
    ways = [way for one in moves.get((marked.status, name), ()) if (way := _way(commands, marked, one, name))]
    is_final = next(states.is_final(state) for state in states.transitions if str(state) == name)
    kind = "current" if name == marked.status else "next" if ways else "final" if is_final else "other"
    return Box(name=name, title=words_of(name), frame=frame, kind=kind, address=ways[0] if len(ways) == 1 else "")


def _arrow(curve: Curve, room: Room, ways: Mapping[str, str]) -> Arrow:
    labels = tuple(_label(name, curve, room, address) for name, address in ways.items())
    return Arrow(path=curve.path, is_legal=any(label.address for label in labels), labels=labels)


def _label(name: str, curve: Curve, room: Room, address: str) -> Label:
    x, y = room.place(words_of(name), curve)
    return Label(title=words_of(name), x=x, y=y, address=address)


def _sentence(states: StateMachine[Any], marked: Marked) -> str:
    found = next((state for state in states.transitions if str(state) == marked.status), None)
    if found is None:
        return f"A life begins as {words_of(str(states.initial)).lower()}."
    following = ", ".join(words_of(str(state)).lower() for state in states.valid_transitions(found))
    return (
        f"It is {words_of(marked.status).lower()} now; it can become {following}."
        if following
        else f"It is {words_of(marked.status).lower()}, which is final."
    )
