"""Axes, marks and lines as inline SVG that takes its colours from the page.

Markup is built by `Markup.format`, which escapes, so that no name can break out. Only classes are
set, never styles: the page's strict policy allows no others, and light, dark and print change them.
Must never know what is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

from markupsafe import Markup

WIDTH = 440
"""Of every picture: its text is readable at a phone's width and not huge at a desk's."""
LEFT, RIGHT, TOP, BOTTOM = 64, 14, 26, 42
SERIES = 8
"""Different lines that the page's colours and dashes tell apart."""
_CHARACTER = 6.6
_NORMAL = NormalDist()

Kind = Literal["linear", "log", "deviate"]


@dataclass(frozen=True)
class Axis:
    """From values to picture units; what lies beyond the ends is drawn at the ends."""

    kind: Kind
    low: float
    high: float
    start: float
    end: float
    tell: Callable[[float], str]
    """A tick's label."""

    def at(self, value: float) -> float:
        """Where the value is drawn."""
        low, high, here = (
            self._move(one) for one in (self.low, self.high, min(max(value, self.low), self.high))
        )
        share = (here - low) / (high - low) if high > low else 0.5
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self) -> list[float]:
        """At most about seven round values."""
        if self.kind == "linear":
            return _round_steps(self.low, self.high)
        if self.kind == "log":
            return _decades(self.low, self.high)
        marks = (1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99)
        return [one for one in marks if self.low <= one <= self.high]

    def _move(self, value: float) -> float:
        if self.kind == "linear":
            return value
        return math.log10(value) if self.kind == "log" else _NORMAL.inv_cdf(value)


def _round_steps(low: float, high: float) -> list[float]:
    if high <= low:
        return [low]
    rough = (high - low) / 5
    size = 10 ** math.floor(math.log10(rough))
    step = next(size * one for one in (1, 2, 2.5, 5, 10) if size * one >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    rounded = (round(one * step, 12) for one in range(first, math.floor(high / step + 1e-9) + 1))
    return list(dict.fromkeys(rounded))


def _decades(low: float, high: float) -> list[float]:
    """Powers of ten; with twos and fives between where the ends are close."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    fine = [
        size * 10.0**one
        for one in range(first, last + 1)
        for size in (1, 2, 5)
        if low <= size * 10.0**one <= high
    ]
    if len(fine) <= 4:
        return fine or [low]
    powers = [10.0**one for one in range(first, last + 1) if low <= 10.0**one <= high]
    return powers[:: 1 + (len(powers) - 1) // 6]


def across(kind: Kind, low: float, high: float, tell: Callable[[float], str]) -> Axis:
    """The horizontal axis."""
    return Axis(kind, low, high, LEFT, WIDTH - RIGHT, tell)


def upwards(kind: Kind, low: float, high: float, height: int, tell: Callable[[float], str]) -> Axis:
    """The vertical axis of a picture that is so high."""
    return Axis(kind, low, high, height - BOTTOM, TOP, tell)


def frame(x: Axis, y: Axis, *, along: str, up: str, height: int) -> Markup:
    """Grid, ticks and both axes' names."""
    bottom, top = y.start, y.end
    drawn = Markup('<text class="name" x="4" y="13">{up}</text>').format(up=up)
    drawn += Markup('<text class="name" x="{x}" y="{y}" text-anchor="end">{along}</text>').format(
        x=WIDTH - RIGHT, y=height - 6, along=along
    )
    taken = 0.0
    for value in reversed(x.ticks()):
        place, told = x.at(value), x.tell(value)
        drawn += Markup('<path class="grid" d="M{x} {top}V{bottom}"/>').format(
            x=place, top=top, bottom=bottom
        )
        wide = _CHARACTER * len(told) / 2 + 3
        if not taken or place + wide < taken:  # no label on top of another
            drawn += Markup('<text x="{x}" y="{base}" text-anchor="middle">{told}</text>').format(
                x=place, base=bottom + 15, told=told
            )
            taken = place - wide
    for value in y.ticks():
        place = y.at(value)
        drawn += Markup(
            '<path class="grid" d="M{left} {y}H{right}"/>'
            '<text x="{end}" y="{base}" text-anchor="end">{told}</text>'
        ).format(left=x.start, right=x.end, y=place, end=x.start - 6, base=place + 4,
                 told=y.tell(value))  # fmt: skip
    return drawn + Markup('<path class="axis" d="M{l} {t}V{b}H{r}"/>').format(
        l=x.start, t=top, b=bottom, r=x.end
    )


def line(points: Sequence[tuple[float, float]], look: str) -> Markup:
    """A line through points that are picture units already."""
    if not points:
        return Markup()
    path = "L".join(f"{x:g} {y:g}" for x, y in points)
    return Markup('<path class="line {look}" d="M{path}"/>').format(look=look, path=path)


def band(points: Sequence[tuple[float, float, float]], look: str) -> Markup:
    """The room between two lines: (x, lower y, upper y)."""
    if len(points) < 2:
        return Markup()
    there = [f"{x:g} {low:g}" for x, low, _ in points]
    back = [f"{x:g} {high:g}" for x, _, high in reversed(points)]
    return Markup('<path class="band {look}" d="M{path}Z"/>').format(
        look=look, path="L".join(there + back)
    )


def whisker(one: tuple[float, float], other: tuple[float, float], look: str) -> Markup:
    """An interval: a line from point to point."""
    return Markup('<path class="whisker {look}" d="M{a:g} {b:g}L{c:g} {d:g}"/>').format(
        look=look, a=one[0], b=one[1], c=other[0], d=other[1]
    )


def mark(x: float, y: float, look: str, *, hollow: bool = False) -> Markup:
    """A dot; hollow for what says little."""
    return Markup('<circle class="mark {look}" cx="{x:g}" cy="{y:g}" r="4"/>').format(
        look=f"{look} hollow" if hollow else look, x=x, y=y
    )


def text(x: float, y: float, told: str, *, end: bool = False, look: str = "") -> Markup:
    """Words in the picture."""
    return Markup('<text{look} x="{x:g}" y="{y:g}"{anchor}>{told}</text>').format(
        look=Markup(' class="{}"').format(look) if look else "",
        x=x, y=y, told=told, anchor=Markup(' text-anchor="end"') if end else "",
    )  # fmt: skip


def shortened(name: str, room: float) -> str:
    """What of a name has room."""
    longest = max(4, int(room / _CHARACTER))
    return name if len(name) <= longest else name[: longest - 1] + "…"


def picture(title: str, drawn: Markup, height: int) -> Markup:
    """The whole, named for those who do not see it."""
    return Markup(
        '<svg role="img" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'aria-label="{title}">{drawn}</svg>'
    ).format(width=WIDTH, height=height, title=title, drawn=drawn)


def swatch(look: str) -> Markup:
    """A line's sample for the key."""
    return Markup(
        '<svg class="swatch" viewBox="0 0 34 12" width="34" height="12" aria-hidden="true">'
        '<path class="line {look}" d="M1 6H33"/></svg>'
    ).format(look=look)
