"""The report's pictures: error trade-offs, groups beside each other, curves over a quantity.

Each has a caption that says how to read it, and a key in text; the same numbers stand in tables.
Never knows files or the page's colours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from markupsafe import Markup

from rightface.assay.report import drawing, words
from rightface.assay.result import CurvePoint, OperatingPoint, Rate

Scale = Literal["linear", "log"]
_ASIDE = 2.5
"""How far lines stand aside of each other, so that no interval hides another."""
HEIGHT = 320
ALL = "all"
"""The look of the line for everybody."""


@dataclass(frozen=True)
class Picture:
    """One picture with what belongs under it."""

    svg: Markup
    caption: str
    key: tuple[tuple[Markup, str], ...] = ()


@dataclass(frozen=True)
class Tradeoff:
    """One DET curve: everybody's, or a group's."""

    name: str
    curve: tuple[CurvePoint, ...]
    at: tuple[OperatingPoint, ...]
    everybody: bool = False


@dataclass(frozen=True)
class Bar:
    """One row of groups beside each other."""

    name: str
    rate: Rate
    weak: bool
    """Too little to say anything from: drawn hollow."""
    before: Rate | None = None


@dataclass(frozen=True)
class Point:
    """A value over a quantity; `low` and `high` None where no interval is given."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Series:
    """One line."""

    name: str
    points: tuple[Point, ...]
    everybody: bool = False
    band: tuple[Point, ...] = ()
    """What was predicted, in the same look: a thin line, its intervals one band."""


def looks(names: Sequence[tuple[str, bool]]) -> list[str]:
    """A look for each line: everybody's own, then one after the other."""
    found, place = [], 0
    for _, everybody in names:
        found.append(ALL if everybody else f"s{place % drawing.SERIES}")
        place += 0 if everybody else 1
    return found


def _keyed(names: Sequence[tuple[str, bool]]) -> tuple[tuple[Markup, str], ...]:
    return tuple(
        (drawing.swatch(look), name) for look, (name, _) in zip(looks(names), names, strict=True)
    )


# ---------------------------------------------------------------- DET
def det(title: str, curves: Sequence[Tradeoff]) -> Picture | None:
    """False non-match rate over false match rate, both on normal-deviate axes.

    Source: Martin et al. 1997, "The DET curve in assessment of detection task performance".
    Crosses: the operating points with their intervals. A rate of none has no place on these axes
    and is drawn at the edge. None where there is nothing to draw.
    """
    shown = [(one, _drawable(one.curve)) for one in curves]
    shown = [(one, points) for one, points in shown if len(points) > 1]
    matched = [fmr for _, points in shown for fmr, _ in points if fmr > 0]
    missed = [fnmr for _, points in shown for _, fnmr in points if fnmr > 0]
    if not matched or not missed:
        return None
    x = drawing.across("deviate", max(1e-7, min(matched)), min(0.5, max(matched)), words.tick)
    floor, ceiling = max(1e-4, min(missed) / 1.5), min(0.99, max(0.05, *missed))
    y = drawing.upwards("deviate", floor, ceiling, HEIGHT, words.tick)
    if x.high <= x.low or y.high <= y.low:
        return None
    names = [(one.name, one.everybody) for one, _ in shown]
    drawn = drawing.frame(x, y, along="false match rate", up="false non-match rate", height=HEIGHT)
    for (one, points), look in zip(shown, looks(names), strict=True):
        inside = [(f, n) for f, n in points if f <= x.high]
        drawn += drawing.line([(x.at(f), y.at(n)) for f, n in inside], look)
        for at in one.at:
            drawn += _cross(x, y, at, look)
    return Picture(
        drawing.picture(f"{title}. The rates at marked thresholds stand in tables.", drawn, HEIGHT),
        "Lower and further left is better. Along a line the threshold rises to the left: fewer "
        "strangers pass, more people are missed. Crosses are intervals (95 %) at the marked "
        "thresholds, which are the same for every group. At the lower and left edge no error was "
        "seen. Both axes are normal-deviate scales.",
        _keyed(names),
    )  # fmt: skip


def _drawable(curve: tuple[CurvePoint, ...]) -> list[tuple[float, float]]:
    return [
        (one.fmr, one.fnmr)
        for one in curve
        if one.fnmr is not None and one.fmr < 1 and one.fnmr < 1
    ]


def _cross(x: drawing.Axis, y: drawing.Axis, at: OperatingPoint, look: str) -> Markup:
    fmr, fnmr = at.fmr, at.fnmr
    if fmr.rate is None or fnmr.rate is None or fmr.too_few or fnmr.too_few or fmr.rate > x.high:
        return Markup()
    drawn, here = Markup(), (x.at(fmr.rate), y.at(fnmr.rate))
    if fmr.low is not None and fmr.high is not None:
        drawn += drawing.whisker((x.at(fmr.low), here[1]), (x.at(fmr.high), here[1]), look)
    if fnmr.low is not None and fnmr.high is not None:
        drawn += drawing.whisker((here[0], y.at(fnmr.low)), (here[0], y.at(fnmr.high)), look)
    return drawn


# ---------------------------------------------------------------- groups beside each other
_ROW, _HEAD = 36, 34


def beside(
    title: str,
    bars: Sequence[Bar],
    *,
    kind: Literal["fmr", "fnmr"],
    target: float | None = None,
    about: str = "",
) -> Picture | None:
    """One row per group: its rate with its interval; hollow where it says little.

    Rows with `before` show that rate as well, joined by a line. False match rates stand on a
    logarithmic scale, since they differ by factors; misses on a linear one. None without rows.
    """
    rows = [one for one in bars if one.rate.rate is not None]
    if not rows:
        return None
    height = _HEAD + _ROW * len(rows) + 22
    x = _scale(rows, kind, target)
    changes = any(one.before is not None for one in rows)
    bottom = height - 20
    drawn = _ruled(x, bottom)
    if target is not None and kind == "fmr":
        drawn += drawing.whisker((x.at(target), 22), (x.at(target), bottom), "promised")
    for place, one in enumerate(rows):
        drawn += _row(x, one, _HEAD + place * _ROW, kind)
    kinds = {"fmr": "false match rate", "fnmr": "false non-match rate"}[kind]
    caption = f"{about} {kinds.capitalize()} within each group, at one threshold for all"
    caption += ", on a scale of factors of ten. " if kind == "fmr" else ". "
    if target is not None and kind == "fmr":
        caption += f"The dashed line is what was asked for: {words.odds(target)}. "
    if changes:
        caption += "Hollow squares: before. Dots: after. "
    caption += "Lines are intervals (95 %)."
    if any(one.weak for one in rows):
        caption += " Hollow dots: too few to say."
    return Picture(
        drawing.picture(f"{title}. The table has the same numbers.", drawn, height), caption.strip()
    )


def _scale(rows: Sequence[Bar], kind: str, target: float | None) -> drawing.Axis:
    rates = [one.rate for one in rows] + [one.before for one in rows if one.before is not None]
    ends = [
        end for rate in rates for end in (rate.rate, rate.low, rate.high) if end
    ]  # a zero has no place on a scale of factors
    if kind == "fmr":
        sizes = [*ends, *([target] if target else [])] or [1e-3]
        solid = [r.rate for r in rates if r.rate] + ([target] if target else [])
        low = max(min(sizes), min(solid, default=1e-3) / 10)  # an interval's end may be far off
        low, high = low / 1.3, min(1.0, max(sizes) * 1.3)
        return drawing.Axis("log", low, max(high, low * 10), 12, drawing.WIDTH - 12, words.tick)
    high = min(1.0, max([*ends, 0.01]) * 1.05)
    return drawing.Axis("linear", 0.0, high, 12, drawing.WIDTH - 12, words.tick)


def _ruled(x: drawing.Axis, bottom: float) -> Markup:
    drawn = Markup()
    for value in x.ticks():
        place = x.at(value)
        drawn += drawing.whisker((place, 22), (place, bottom), "grid")
        anchor = "start" if place < 30 else "end" if place > drawing.WIDTH - 30 else "middle"
        drawn += Markup('<text x="{x:g}" y="14" text-anchor="{a}">{told}</text>').format(
            x=place, a=anchor, told=x.tell(value)
        )
    return drawn


def _row(x: drawing.Axis, one: Bar, top: float, kind: str) -> Markup:
    middle = top + 21
    tell = words.odds if kind == "fmr" else words.percent
    told = tell(one.rate.rate)
    if one.before is not None:
        told = f"{tell(one.before.rate)} → {told}"
    room = drawing.WIDTH - 24 - 6.6 * len(told)
    drawn = drawing.text(12, top + 10, drawing.shortened(one.name, room), look="group")
    drawn += drawing.text(drawing.WIDTH - 12, top + 10, told, end=True)
    if one.before is not None and one.before.rate is not None:
        was = x.at(one.before.rate)
        drawn += drawing.whisker((was, middle), (x.at(one.rate.rate or 0), middle), "moved")
        drawn += Markup('<rect class="was" x="{x:g}" y="{y:g}" width="8" height="8"/>').format(
            x=was - 4, y=middle - 4
        )
    if one.rate.low is not None and one.rate.high is not None:
        drawn += drawing.whisker((x.at(one.rate.low), middle), (x.at(one.rate.high), middle), "s0")
    return drawn + drawing.mark(x.at(one.rate.rate or 0), middle, "s0", hollow=one.weak)


# ---------------------------------------------------------------- over a quantity
def curves(
    title: str,
    series: Sequence[Series],
    *,
    along: str,
    up: str,
    caption: str,
    tell_x: Callable[[float], str] = words.plain,
    x_kind: Scale = "linear",
    y_kind: Scale = "linear",
) -> Picture | None:
    """Lines over a quantity. What is zero has no place on a logarithmic scale and is left out."""

    def placed(points: tuple[Point, ...]) -> tuple[Point, ...]:
        return tuple(
            p for p in points if (x_kind != "log" or p.x > 0) and (y_kind != "log" or p.y > 0)
        )

    kept = [Series(one.name, placed(one.points), one.everybody, placed(one.band)) for one in series]
    kept = [one for one in kept if one.points or one.band]
    if not kept:
        return None
    points = [p for one in kept for p in (*one.points, *one.band)]
    x = _along(x_kind, [p.x for p in points], tell_x)
    y = _up(y_kind, points)
    names = [(one.name, one.everybody) for one in kept]
    drawn = drawing.frame(x, y, along=along, up=up, height=HEIGHT)
    for place, (one, look) in enumerate(zip(kept, looks(names), strict=True)):
        aside = _ASIDE * (place - (len(kept) - 1) / 2)
        drawn += _drawn(replace(x, start=x.start + aside, end=x.end + aside), y, one, look)
    return Picture(
        drawing.picture(f"{title}. The table has the same numbers.", drawn, HEIGHT),
        caption,
        _keyed(names),
    )  # fmt: skip


def _drawn(x: drawing.Axis, y: drawing.Axis, one: Series, look: str) -> Markup:
    foreseen = sorted(one.band, key=lambda each: each.x)
    drawn = drawing.band(
        [
            (x.at(p.x), y.at(p.low), y.at(p.high))
            for p in foreseen
            if p.low is not None and p.high is not None
        ],
        look,
    )
    drawn += drawing.line([(x.at(p.x), y.at(p.y)) for p in foreseen], f"{look} thin")
    points = sorted(one.points, key=lambda each: each.x)
    for p in points:
        if p.low is not None and p.high is not None:
            drawn += drawing.whisker((x.at(p.x), y.at(p.low)), (x.at(p.x), y.at(p.high)), look)
    drawn += drawing.line([(x.at(p.x), y.at(p.y)) for p in points], look)
    for p in points:
        drawn += drawing.mark(x.at(p.x), y.at(p.y), look)
    return drawn


def _along(kind: Scale, xs: list[float], tell: Callable[[float], str]) -> drawing.Axis:
    if kind == "log":
        return drawing.across("log", min(xs) / 1.1, max(xs) * 1.1, tell)
    wide = (max(xs) - min(xs)) or 1.0
    return drawing.across("linear", min(xs) - 0.03 * wide, max(xs) + 0.03 * wide, tell)


def _up(kind: Scale, points: list[Point]) -> drawing.Axis:
    ends = [end for p in points for end in (p.y, p.low, p.high) if end is not None]
    if kind == "linear":
        return drawing.upwards("linear", 0.0, min(1.0, max(0.01, *ends) * 1.05), HEIGHT, words.tick)
    solid = min(p.y for p in points)
    low = max(min(end for end in ends if end > 0), solid / 10)  # an interval's end may be far off
    high = max(2 * low, min(1.0, max(ends)))
    return drawing.upwards("log", low / 1.3, high, HEIGHT, words.tick)


def large(number: float) -> str:
    """`500`, `20,000`, `3 million`, `3 billion`: for an axis of gallery sizes."""
    for size, word in ((1e9, " bn"), (1e6, " m"), (1e3, " k")):
        if number >= size:
            return f"{number / size:g}{word}"
    return f"{number:g}"
