"""The timeline: every segment is what the gate says, and nothing changes within one."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import pytest

from rightface.law.decide import Desk
from rightface.law.explain import explain
from rightface.law.library import InstrumentLibrary
from rightface.law.question import question
from rightface.law.timeline import FIRST, GLYPHS, LAST, Timeline, timeline
from rightface.law.timeline_svg import timeline_svg
from tests.law.conftest import NOW, Instance

SF = {
    "actor": "law-enforcement-local",
    "jurisdiction": "US-CA-SF",
    "operation": "search",
    "purpose": "criminal-investigation",
    "commitments": ["microsoft-police-commitment-2020"],
}
FOUR = (
    "baseline-human-rights",
    "microsoft-police-commitment-2020",
    "us-ca-sf-19b",
    "us-il-bipa-2008",
)
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def four(library: InstrumentLibrary) -> InstrumentLibrary:
    return library.only(FOUR)


def shown(library: InstrumentLibrary, **changed: Any) -> Timeline:
    return timeline(Desk(library).world(question({**SF, **changed})))


def test_the_segments_of_san_francisco(four: InstrumentLibrary) -> None:
    told = [(one.start, one.outcome, one.instruments) for one in shown(four).segments]
    assert told == [
        (FIRST, "require-duty", ("baseline-human-rights",)),
        (date(2019, 6, 30), "deny", ("baseline-human-rights", "us-ca-sf-19b")),
        # The same instrument, another rule: that is told too.
        (date(2020, 1, 19), "deny", ("baseline-human-rights", "us-ca-sf-19b")),
        (
            date(2020, 6, 11),
            "deny",
            ("baseline-human-rights", "microsoft-police-commitment-2020", "us-ca-sf-19b"),
        ),
    ]
    assert all(one.missing == ("human-review",) for one in shown(four).segments)


@pytest.mark.parametrize(
    "told",
    [
        SF,
        {**SF, "jurisdiction": "US-VA", "commitments": "all"},
        {"actor": "private-entity", "jurisdiction": "US-IL", "operation": "enroll"},
        {"actor": "law-enforcement-state", "jurisdiction": "FR", "operation": "watch"},
    ],
)
def test_each_segment_is_what_the_gate_says_on_its_first_and_last_day(
    library: InstrumentLibrary, told: dict[str, Any]
) -> None:
    desk = Desk(library)
    drawn = timeline(desk.world(question(told)))
    assert drawn.segments[0].start == FIRST
    assert drawn.segments[-1].until == LAST
    for one, following in pairwise(drawn.segments):
        assert one.until == following.start
    for one in drawn.segments:
        for day in (one.start, one.until - timedelta(days=1)):
            ruling = desk.answer(question({**told, "as_of": day})).ruling
            assert (ruling.outcome, ruling.instruments) == (one.outcome, one.instruments), day


def test_no_day_between_is_another_answer(four: InstrumentLibrary) -> None:
    desk, drawn = Desk(four), shown(four)
    for month in range(13 * 12):
        day = date(2018 + month // 12, month % 12 + 1, 17)
        here = next(one for one in drawn.segments if one.start <= day < one.until)
        assert desk.answer(question({**SF, "as_of": day})).ruling.outcome == here.outcome


def test_the_bar_is_readable_without_colour(four: InstrumentLibrary) -> None:
    drawn = shown(four)
    bar = drawn.bar()
    assert len(bar) == 13 * 5
    assert bar[0] == GLYPHS["require-duty"]
    assert set(bar[8:]) == {GLYPHS["deny"]}
    text = drawn.text()
    assert bar in text
    assert "2018-01-01 to 2019-06-29  require-duty (missing: human-review)" in text
    for outcome, glyph in GLYPHS.items():
        assert f"{glyph} {outcome}" in text


def test_knowledge_may_be_held_fixed(four: InstrumentLibrary) -> None:
    # As known at the start of 2019, San Francisco had no ordinance at all.
    drawn = shown(four, known_at="2019-01-01")
    assert drawn.known_at == date(2019, 1, 1)
    assert [one.outcome for one in drawn.segments] == ["require-duty"]
    assert drawn.to_json()["known_at"] == "2019-01-01"


def test_json_is_plain(four: InstrumentLibrary) -> None:
    told = json.loads(json.dumps(shown(four).to_json()))
    assert told["from"] == "2018-01-01"
    assert told["until"] == "2031-01-01"
    assert set(told["segments"][1]["reasons"]) == {
        "us-ca-sf-19b#19B.2d-2019",
        "baseline-human-rights#human-review",
    }


def test_the_svg_is_accessible_and_stands_alone(four: InstrumentLibrary) -> None:
    drawn = shown(four)
    text = timeline_svg(drawn, 'search <by> "police" & others', date(2020, 6, 12))
    root = ElementTree.fromstring(text)
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == "title desc"
    title, described = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert title.text == 'search <by> "police" & others'
    assert described is not None
    assert "2020-06-11 to 2030-12-31 deny" in (described.text or "")
    words = [each.text or "" for each in root.iter(f"{SVG}text")]
    assert "deny" in words
    assert "2020-06-12" in words
    assert any("us-ca-sf-19b" in word for word in words)
    assert "prefers-color-scheme: dark" in text
    for outside in ("href", "url(http", "<script", "@import", "@font-face"):
        assert outside not in text
    # One box for each segment, together as wide as the bar.
    boxes = [box for group in root.iter(f"{SVG}g") for box in group if box.get("class")]
    widths = [float(box.get("width") or 0) for box in boxes if box.tag == f"{SVG}rect"]
    assert len(widths) == len(drawn.segments)
    assert sum(widths) == pytest.approx(920, abs=0.1)


def test_records_move_the_edges(instance: Instance) -> None:
    # Licence and consent begin within the day of NOW: allowed from the next day's first moment on.
    instance.licence()
    told = {"client": "acme", "operation": "enroll", "purpose": "access-control",
            "gallery": "staff", "subjects": ["alice"], "as_of": NOW}  # fmt: skip
    instance.consent("alice")
    desk = Desk(instance.library, instance.gate)
    explanation = explain(desk, question(told), with_timeline=True)
    drawn = explanation.timeline
    assert drawn is not None
    outcomes = {one.outcome for one in drawn.segments}
    assert outcomes == {"deny", "allow"}
    allowed = [one for one in drawn.segments if one.outcome == "allow"]
    assert allowed[0].start == NOW.date() + timedelta(days=1)
    for one in drawn.segments:
        for day in (one.start, one.until - timedelta(days=1)):
            at = datetime.combine(day, time(), UTC)
            assert desk.answer(question({**told, "as_of": at})).ruling.outcome == one.outcome
    assert instance.recorded == []


def test_explain_tells_what_does_not_bind(library: InstrumentLibrary) -> None:
    told = {**SF, "as_of": "2019-01-01"}
    explanation = explain(Desk(library.only(FOUR)), question(told))
    silent = {each.instrument.instrument_id: each.status.told for each in explanation.not_in_force}
    assert silent == {
        "us-ca-sf-19b": "not in force yet: from 2019-06-30",
        "microsoft-police-commitment-2020": "not in force yet: from 2020-06-11",
    }
    assert "not in force yet: from 2019-06-30" in explanation.text()


def test_a_bill_is_shown_and_never_speaks(library: InstrumentLibrary) -> None:
    bills = [one.instrument_id for one in library.instruments.values() if one.kind == "bill"]
    assert bills
    told = {**SF, "actor": "law-enforcement-federal", "operation": "watch"}
    explanation = explain(Desk(library), question(told), with_timeline=True)
    shown_as = {
        each.instrument.instrument_id: each.status.told for each in explanation.not_in_force
    }
    assert any("a bill, never enacted" in word for word in shown_as.values())
    assert explanation.timeline is not None
    assert not {n for one in explanation.timeline.segments for n in one.instruments} & set(bills)


def test_strict_mode_refuses_what_is_unverified(library: InstrumentLibrary) -> None:
    told = {**SF, "as_of": "2019-07-01", "operation": "retain"}
    plain = explain(Desk(library.only(FOUR)), question(told))
    strict = explain(Desk(library.only(FOUR), strict=True), question(told))
    assert plain.ruling.outcome == "deny"
    keys = {reason.rule for reason in strict.ruling.reasons}
    assert "19B.2d-2019-unverified" in keys
    assert "relying on nothing unverified" in strict.text()
