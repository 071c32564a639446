"""A timeline as SVG: plain text, no script, no font of its own, readable without colour.

The colours are those of Okabe and Ito, which the colour-blind tell apart; each answer also has its
own hatching and its name in words. Light and dark follow the reader's setting.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from datetime import date, timedelta
from html import escape

from rightface.law.ruling import Outcome
from rightface.law.timeline import Segment, Timeline

_WIDTH, _LEFT, _TOP, _HEIGHT, _LINE = 960, 20, 76, 44, 18
_BAR = _WIDTH - 2 * _LEFT
_CLASS: dict[Outcome, str] = {"allow": "allow", "require-duty": "duty", "deny": "deny"}
_STYLE = """\
text { font-family: sans-serif; font-size: 13px; fill: #1a1a1a; }
.title { font-size: 16px; font-weight: bold; }
.small { font-size: 11px; }
.ground { fill: #ffffff; }
.allow { fill: #56b4e9; } .duty { fill: #e69f00; } .deny { fill: #d55e00; }
.inside { fill: #000000; }
.line { stroke: #1a1a1a; stroke-width: 1; fill: none; }
.hatch { stroke: #000000; stroke-width: 1; opacity: 0.45; }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f0f0; } .ground { fill: #121212; } .line { stroke: #f0f0f0; }
  .inside { fill: #000000; }
}"""
_PATTERNS = """\
<pattern id="hatch-duty" width="8" height="8" patternUnits="userSpaceOnUse">\
<path class="hatch" d="M0 8 L8 0"/></pattern>
<pattern id="hatch-deny" width="6" height="6" patternUnits="userSpaceOnUse">\
<path class="hatch" d="M0 6 L6 0 M0 0 L6 6"/></pattern>"""


def timeline_svg(shown: Timeline, title: str, asked: date | None = None) -> str:
    """The SVG document.

    Args:
        shown: the timeline.
        title: what was asked, in one line.
        asked: the day that was asked about; it is marked if it is within the timeline.
    """
    known = f", as known on {shown.known_at}" if shown.known_at else ""
    listed = [line for one in shown.segments for line in _listed(one)]
    height = _TOP + _HEIGHT + 74 + _LINE * len(listed)
    described = " ".join(_told(one) + "." for one in shown.segments)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'width="{_WIDTH}" height="{height}" role="img" aria-labelledby="title desc">',
        f'<title id="title">{escape(title)}{escape(known)}</title>',
        f'<desc id="desc">{escape(described)} Not legal advice.</desc>',
        f"<style>{_STYLE}</style>",
        f"<defs>{_PATTERNS}</defs>",
        f'<rect class="ground" width="{_WIDTH}" height="{height}"/>',
        f'<text class="title" x="{_LEFT}" y="26">{escape(title)}</text>',
        f'<text class="small" x="{_LEFT}" y="44">{shown.start.year} to '
        f"{shown.until.year - 1}{escape(known)}</text>",
        *_years(shown),
        *(_drawn(shown, one) for one in shown.segments),
        *_mark(shown, asked),
        *_legend(),
    ]
    y = _TOP + _HEIGHT + 60
    for line in listed:
        lines.append(f'<text x="{_LEFT}" y="{y}" xml:space="preserve">{escape(line)}</text>')
        y += _LINE
    return "\n".join([*lines, "</svg>", ""])


def _at(shown: Timeline, day: date) -> float:
    whole = (shown.until - shown.start).days
    return round(_LEFT + _BAR * (day - shown.start).days / whole, 2)


def _years(shown: Timeline) -> Iterator[str]:
    for year in range(shown.start.year, shown.until.year):
        x = _at(shown, max(date(year, 1, 1), shown.start))
        yield f'<path class="line" d="M{x} {_TOP - 6} V{_TOP}"/>'
        yield f'<text class="small" x="{x + 3}" y="{_TOP - 4}">{year}</text>'


def _drawn(shown: Timeline, one: Segment) -> str:
    x, end = _at(shown, one.start), _at(shown, one.until)
    width, kind = round(end - x, 2), _CLASS[one.outcome]
    box = f'x="{x}" y="{_TOP}" width="{width}" height="{_HEIGHT}"'
    parts = [f"<g><title>{escape(_told(one))}</title>", f'<rect class="{kind}" {box}/>']
    if kind != "allow":
        parts.append(f'<rect fill="url(#hatch-{kind})" {box}/>')
    if width > 8 * len(kind) + 8:
        parts.append(f'<text class="inside" x="{x + 4}" y="{_TOP + 27}">{kind}</text>')
    return "".join([*parts, "</g>"])


def _mark(shown: Timeline, asked: date | None) -> Iterator[str]:
    if asked is not None and shown.start <= asked < shown.until:
        x, foot = _at(shown, asked), _TOP + _HEIGHT
        yield f'<path class="line" stroke-width="2" d="M{x} {_TOP - 2} V{foot + 8}"/>'
        side = "end" if x > _WIDTH - 160 else "start"
        yield f'<text class="small" x="{x}" y="{foot + 19}" text-anchor="{side}">{asked}</text>'


def _legend() -> Iterator[str]:
    y = _TOP + _HEIGHT + 28
    for x, (outcome, kind) in zip((_LEFT, 130, 300), _CLASS.items(), strict=True):
        yield f'<rect class="{kind}" x="{x}" y="{y}" width="14" height="12"/>'
        if kind != "allow":
            yield f'<rect fill="url(#hatch-{kind})" x="{x}" y="{y}" width="14" height="12"/>'
        yield f'<text class="small" x="{x + 20}" y="{y + 10}">{outcome}</text>'


def _told(one: Segment) -> str:
    missing = f", missing {', '.join(one.missing)}" if one.missing else ""
    by = f": {', '.join(one.instruments)}" if one.instruments else ""
    return f"{one.start} to {one.until - timedelta(days=1)} {one.outcome}{missing}{by}"


def _listed(one: Segment) -> list[str]:
    return textwrap.wrap(_told(one), 120, subsequent_indent="    ")
