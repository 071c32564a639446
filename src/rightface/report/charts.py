"""Bars as inline SVG: each with a title for those who do not see it; the numbers stand in a table.

Markup is built by Jinja's escaping `Markup`, so no word of a client can break out of it. Colours
differ in lightness, and each series has a pattern of its own in print. Must never know what the
numbers mean.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

WIDTH = 640
_LABEL, _BAR, _GAP, _CHARACTER = 210, 18, 8, 7
DARK, LIGHT = "#1f4e79", "#b35c00"


def months(rows: Sequence[tuple[str, int, int]]) -> Markup:
    """Stacked bars per month: (month, permitted, refused)."""
    most = max((permitted + refused for _, permitted, refused in rows), default=0)
    bars = Markup().join(
        _row(at, month, ((permitted, DARK), (refused, LIGHT)), most)
        for at, (month, permitted, refused) in enumerate(rows)
    )
    key = Markup(
        '<rect x="{x}" y="2" width="12" height="12" fill="{dark}"/>'
        '<text x="{after}" y="12">permitted</text>'
        '<rect x="{second}" y="2" width="12" height="12" fill="{light}"/>'
        '<text x="{last}" y="12">refused</text>'
    ).format(x=_LABEL, after=_LABEL + 18, second=_LABEL + 110, last=_LABEL + 128,
             dark=DARK, light=LIGHT)  # fmt: skip
    return _chart("Decisions per month and outcome", bars, len(rows), key)


def bars(title: str, rows: Sequence[tuple[str, int]]) -> Markup:
    """One bar per row: (what, how many)."""
    most = max((number for _, number in rows), default=0)
    drawn = Markup().join(
        _row(at, what, ((number, DARK),), most) for at, (what, number) in enumerate(rows)
    )
    return _chart(title, drawn, len(rows), Markup())


def _chart(title: str, drawn: Markup, rows: int, key: Markup) -> Markup:
    height = 22 + rows * (_BAR + _GAP)
    return Markup(
        '<svg role="img" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'aria-label="{title}. The table has the same numbers."><title>{title}</title>'
        "{key}{drawn}</svg>"
    ).format(width=WIDTH, height=height, title=title, key=key, drawn=drawn)


def _row(at: int, label: str, parts: Sequence[tuple[int, str]], most: int) -> Markup:
    top = 22 + at * (_BAR + _GAP)
    room = WIDTH - _LABEL - 60
    x, drawn = float(_LABEL), Markup()
    for number, colour in parts:
        wide = room * number / most if most else 0.0
        drawn += Markup(
            '<rect x="{x}" y="{top}" width="{wide}" height="{bar}" fill="{colour}"/>'
        ).format(x=round(x, 1), top=top, wide=round(wide, 1), bar=_BAR, colour=colour)
        x += wide
    longest = (_LABEL - 10) // _CHARACTER
    short = label if len(label) <= longest else label[: longest - 1] + "…"
    return Markup(
        '<text x="{end}" y="{base}" text-anchor="end">{short}</text>{drawn}'
        '<text x="{after}" y="{base}">{total}</text>'
    ).format(
        end=_LABEL - 8,
        base=top + 13,
        short=short,
        drawn=drawn,
        after=round(x + 6, 1),
        total=" + ".join(str(number) for number, _ in parts),
    )
