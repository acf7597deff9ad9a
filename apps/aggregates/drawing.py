"""This module is a state machine as a picture: states in columns from where a life begins to where it ends, moves as arrows.

Everything is worked out here from the machine's table; the template writes it down as SVG.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from apps.domain.cqrs import CommandSet
from apps.domain.cqrs.shape import words_of
from apps.domain.machine import MealyMachine, StateMachine

COLUMN, ROW = 172, 88
BOX_WIDTH, BOX_HEIGHT = 108, 36
EDGE, TOP = 14, 40
LINE = 14


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
    x: int
    y: int
    kind: str
    address: str = ""
    width: int = BOX_WIDTH
    height: int = BOX_HEIGHT

    @property
    def middle(self) -> int:
        return self.x + self.width // 2

    @property
    def text_y(self) -> int:
        return self.y + self.height // 2 + 4


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
    moves = moves_of(commands, states)
    places = _places(states)
    boxes = {name: _box(states, name, place, moves, marked) for name, place in places.items()}
    deepest = max(row for _, row in places.values())
    arrows = tuple(_arrow(boxes, places, move, names, marked) for move, names in moves.items())
    return Drawing(
        width=2 * EDGE + max(column for column, _ in places.values()) * COLUMN + BOX_WIDTH,
        height=TOP + deepest * ROW + BOX_HEIGHT + LINE + BOX_HEIGHT * (deepest == 0),
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
            if one.to is not None and one.to in states.transitions.get(source, ()) and one.name not in named[source, one.to]:
                named[source, one.to].append(one.name)
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


def _box(states: StateMachine[Any], name: str, place: tuple[int, int], moves: _Moves, marked: Marked) -> Box:
    column, row = place
    ways = [marked.links[one] for one in moves.get((marked.status, name), ()) if one in marked.links]
    is_final = next(states.is_final(state) for state in states.transitions if str(state) == name)
    kind = "current" if name == marked.status else "next" if ways else "final" if is_final else "other"
    return Box(
        name=name, title=words_of(name), x=EDGE + column * COLUMN, y=TOP + row * ROW, kind=kind, address=ways[0] if len(ways) == 1 else ""
    )


def _arrow(
    boxes: Mapping[str, Box], places: Mapping[str, tuple[int, int]], move: tuple[str, str], names: tuple[str, ...], marked: Marked
) -> Arrow:
    one, other = boxes[move[0]], boxes[move[1]]
    path, x, y = _path(one, other, places[move[1]][0] - places[move[0]][0])
    is_here = move[0] == marked.status
    labels = tuple(
        Label(title=words_of(name), x=x, y=y - LINE * at, address=marked.links.get(name, "") if is_here else "")
        for at, name in enumerate(names)
    )
    return Arrow(path=path, is_legal=any(label.address for label in labels), labels=labels)


def _path(one: Box, other: Box, columns: int) -> tuple[str, int, int]:
    """The path from one box to another, and where what is written beside it begins."""
    middle, top = one.y + one.height // 2, other.y + other.height // 2
    if one is other:
        return _loop(one)
    if columns == 0:
        side = one.x + one.width
        return _curve(side, middle, side + 60, middle, side + 60, top, side, top)
    if columns == 1:
        start, end = one.x + one.width, other.x
        path, x, y = _curve(start, middle, start + 36, middle, end - 36, top, end, top)
        return path, x, one.y - 8 if one.y == other.y else y
    if columns > 1:
        start, low = one.x + one.width * 3 // 4, one.y + one.height
        drop = max(abs(columns) * 22, top - low)
        return _curve(start, low, start + 10, low + drop, other.x - 90, top + (0 if top > low else drop), other.x, top)
    lift = 26 + 8 * -columns
    return _curve(one.x + one.width // 4, one.y, one.x, one.y - lift, other.middle, other.y - lift, other.x + other.width * 3 // 4, other.y)


def _loop(box: Box) -> tuple[str, int, int]:
    x, y = box.middle, box.y
    return _curve(x - 20, y, x - 30, y - 40, x + 30, y - 40, x + 20, y)


def _curve(x: int, y: int, x1: int, y1: int, x2: int, y2: int, x3: int, y3: int) -> tuple[str, int, int]:
    """A Bézier curve and its middle."""
    return f"M{x} {y}C{x1} {y1} {x2} {y2} {x3} {y3}", (x + 3 * x1 + 3 * x2 + x3) // 8, (y + 3 * y1 + 3 * y2 + y3) // 8 - 5


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
