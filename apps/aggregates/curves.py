"""This module is the arrows of a drawing: curves between boxes, and places beside them where words cover nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field

LETTER = 6.6
LINE = 14
_TRIES = (0.5, 0.4, 0.6, 0.3, 0.7, 0.22, 0.78)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The outline of a box: its left top corner and its size."""

    x: int
    y: int
    width: int
    height: int

    @property
    def middle(self) -> int:
        return self.x + self.width // 2

    @property
    def level(self) -> int:
        return self.y + self.height // 2

    @property
    def right(self) -> int:
        return self.x + self.width

    @property
    def bottom(self) -> int:
        return self.y + self.height


@dataclass(frozen=True, slots=True)
class Curve:
    """A cubic Bézier curve."""

    x0: int
    y0: int
    x1: int
    y1: int
    x2: int
    y2: int
    x3: int
    y3: int

    @property
    def path(self) -> str:
        """As SVG writes it."""
        return f"M{self.x0} {self.y0}C{self.x1} {self.y1} {self.x2} {self.y2} {self.x3} {self.y3}"

    def at(self, part: float) -> tuple[int, int]:
        """The point after this part of it."""
        rest = 1 - part
        weights = (rest**3, 3 * rest**2 * part, 3 * rest * part**2, part**3)
        xs, ys = (self.x0, self.x1, self.x2, self.x3), (self.y0, self.y1, self.y2, self.y3)
        return round(sum(w * x for w, x in zip(weights, xs, strict=True))), round(sum(w * y for w, y in zip(weights, ys, strict=True)))


def between(one: Frame, other: Frame, columns: int) -> Curve:
    """The curve from one box to another that lies so many columns further on."""
    if one == other:
        return Curve(one.middle - 20, one.y, one.middle - 30, one.y - 40, one.middle + 30, one.y - 40, one.middle + 20, one.y)
    if columns == 0:
        return Curve(one.right, one.level, one.right + 56, one.level, other.right + 56, other.level, other.right, other.level)
    if columns == 1:
        return Curve(one.right, one.level, one.right + 34, one.level, other.x - 34, other.level, other.x, other.level)
    if columns > 1:
        start, drop = one.x + one.width * 3 // 4, max(22 * columns, other.level - one.bottom)
        turn = other.level if other.level > one.bottom else other.level + drop
        return Curve(start, one.bottom, start + 10, one.bottom + drop, other.x - 90, turn, other.x, other.level)
    if one.y > other.y:
        return Curve(one.x, one.level, one.x - 44, one.level, other.middle, other.bottom + 40, other.middle, other.bottom)
    lift = 26 - 8 * columns
    return Curve(one.x + one.width // 4, one.y, one.x, one.y - lift, other.middle, other.y - lift, other.x + other.width * 3 // 4, other.y)


@dataclass(slots=True)
class Room:
    """What is covered already: boxes, and the words that were placed."""

    taken: list[tuple[float, float, float, float]] = field(default_factory=list)

    def cover(self, frame: Frame) -> None:
        """Keep words off a box."""
        self.taken.append((frame.x, frame.y, frame.right, frame.bottom))

    def place(self, title: str, curve: Curve) -> tuple[int, int]:
        """The middle of the words' base line: on the curve where they cover nothing, else above its middle, or below it."""
        half = len(title) * LETTER / 2
        points = [curve.at(part) for part in _TRIES]
        x, y = curve.at(0.5)
        above = [(x, y - 5 - lift * LINE) for lift in (1, 2)]
        tries = [(px, py - 5) for px, py in points] + above + [(px, py + drop * LINE) for drop in (1, 2) for px, py in points]
        if curve.y0 == curve.y3 == curve.y1:
            tries = [(x, y - 26 - lift * LINE) for lift in (0, 1)] + tries
        chosen = next((one for one in tries if self._is_free(one, half)), tries[0])
        self.taken.append(_around(chosen, half))
        return chosen

    def _is_free(self, point: tuple[int, int], half: float) -> bool:
        left, top, right, bottom = _around(point, half)
        return all(right <= x0 or left >= x1 or bottom <= y0 or top >= y1 for x0, y0, x1, y1 in self.taken)


def _around(point: tuple[int, int], half: float) -> tuple[float, float, float, float]:
    return point[0] - half, point[1] - LINE + 3, point[0] + half, point[1] + 3
