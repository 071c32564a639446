"""The report: well formed, readable without sight or script, nothing fetched, names only text."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from datetime import date
from html.parser import HTMLParser
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from instance import temporary_instance
from rightface.assay.equalise_table import AtRate, Equalised, GroupRate, Judged
from rightface.assay.equalise_variants import SHIPPED
from rightface.assay.errors import ManifestError, TableError
from rightface.assay.report import drawing, explorer, heat, photographs, tables, words
from rightface.assay.report.card import card, markdown
from rightface.assay.report.headline import headline, main_target, point_at, weak
from rightface.assay.report.make import html, templates
from rightface.assay.result import (
    Assay,
    CrossMatrix,
    DataSet,
    Exclusion,
    Group,
    Measured,
    OperatingPoint,
    Partition,
    Rate,
    SearchGroup,
    StatedPairs,
    Suspicion,
    Value,
    Verification,
)
from rightface.errors import PermitError
from tests.assay.report_sample import sample

VOID = {"meta", "br", "hr", "img", "input"}
FETCHING = {"src", "srcset", "action", "data", "poster", "background", "xlink:href", "ping"}
HOSTILE = (
    "</script><script>document.title='taken'</script>",
    '"><img src=x onerror="document.title=\'taken\'">',
    "</title></style><b>&lt;&amp;",
    "{{ 7 * 7 }} {% raw %}",
    "x" * 5000,
    "\u2028<!--",
)


class Page(HTMLParser):
    """The elements in order; each must be closed where it belongs."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.source = source
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.rows: list[list[str]] = []
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in VOID or "svg" in self.open, f"<{tag}/>"
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts.setdefault(self.open[-1], []).append(data)
        if self.rows and {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of every element of that name."""
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        """What is read."""
        kept = (each for tag, each in self.texts.items() if tag not in ("script", "style"))
        return " ".join(" ".join(one) for one in kept)

    def data(self, name: str) -> Any:
        """The JSON of a data element."""
        found = re.search(
            rf'<script type="application/json" id="{name}">(.*?)</script>', self.source, re.DOTALL
        )
        assert found is not None
        return json.loads(found[1])


NO_RATE = Rate(errors=0, trials=0, rate=None, low=None, high=None, method="none")


def bare(**changed: Any) -> Assay:
    """An assay in which nothing could be said."""
    told = sample_().model_dump()
    told.update(
        failures=None,
        verification=Verification(
            genuine=0,
            impostor=0,
            curve=(),
            at=(),
            eer=Value(value=None, low=None, high=None),
        ).model_dump(),
        **dict.fromkeys(
            ("partitions", "identification", "predictions", "discards", "stress", "warnings"), ()
        ),
    )
    told["data"] = DataSet(
        name="d", digest="", rows=0, images=0, subjects=None, columns={}, exclusions=()
    ).model_dump()
    told["measured"] = Measured(kind="scores", name="m").model_dump()
    return Assay.model_validate({**told, **changed})


def sample_() -> Assay:
    """The rich sample, made once."""
    if not _MADE:
        _MADE.append(sample())
    return _MADE[0]


_MADE: list[Assay] = []


@pytest.fixture(scope="module")
def assay() -> Assay:
    return sample_()


@pytest.fixture(scope="module")
def page(assay: Assay) -> Page:
    return Page(html(assay, before=sample(crowding=1.2)))


# ---------------------------------------------------------------- the page as such
def test_it_fetches_nothing_and_runs_only_its_own_script(page: Page) -> None:
    assert page.source.startswith("<!DOCTYPE html>\n<html lang")
    for tag, attributes in page.elements:
        assert tag not in {"link", "img", "iframe", "object", "embed", "form", "base"}
        assert not FETCHING & set(attributes)
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        if "href" in attributes:
            assert (attributes["href"] or "").startswith("#")
    outside = re.sub(
        r"<script type=.application/json.*?</script>", "", page.source, flags=re.DOTALL
    )
    assert not re.search(r"https?:|//[a-z]|@import|url\(|javascript:", outside)


def test_its_policy_knows_its_own_style_and_script(page: Page) -> None:
    (policy,) = [
        one["content"] or ""
        for one in page.all("meta")
        if one.get("http-equiv") == "Content-Security-Policy"
    ]
    rules = dict(one.strip().split(" ", 1) for one in policy.split(";"))
    assert rules["default-src"] == "'none'"
    for rule, element in (("style-src", "style"), ("script-src", "script")):
        (inline,) = re.findall(rf"<{element}>(.*?)</{element}>", page.source, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"


def test_it_can_be_read_without_sight(page: Page) -> None:
    headings = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(headings))
    assert len(page.all("main")) == 1
    tags = [tag for tag, _ in page.elements]
    assert tags.count("table") == tags.count("caption") > 10
    assert all(one.get("scope") in {"col", "row", "rowgroup"} for one in page.all("th"))
    pictures = [one for one in page.all("svg") if one.get("aria-hidden") != "true"]
    assert len(pictures) > 15
    assert all(one["role"] == "img" and one["aria-label"] for one in pictures)
    assert tags.count("figure") == tags.count("figcaption") == len(pictures)
    scrolled = [one for one in page.all("div") if one.get("class") == "scroll"]
    assert all(one["tabindex"] == "0" and one["aria-label"] for one in scrolled)
    labelled = {one.get("for") for one in page.all("label")}
    assert {one["id"] for one in page.all("input")} <= labelled
    ids = [one["id"] for _, one in page.elements if "id" in one]
    assert len(ids) == len(set(ids))
    assert {(one["href"] or "")[1:] for one in page.all("a")} <= set(ids)


def test_rows_are_as_long_as_their_headings(page: Page) -> None:
    lengths = {len(row) for row in page.rows}
    assert min(lengths) >= 1
    for table in re.findall(r"<table>(.*?)</table>", page.source, re.DOTALL):
        counted = {len(re.findall(r"<t[hd]\b", row)) for row in re.findall("<tr>.*?</tr>", table)}
        assert len(counted) == 1


def _luminance(colour: str) -> float:
    def linear(part: int) -> float:
        share = part / 255
        return share / 12.92 if share <= 0.04045 else float(((share + 0.055) / 1.055) ** 2.4)

    red, green, blue = (linear(int(colour[at : at + 2], 16)) for at in (0, 2, 4))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_its_colours_have_contrast(scheme: int) -> None:
    """WCAG 2.2: 4.5 for text (1.4.3), 3 for what carries meaning (1.4.11)."""
    style = templates().get_template("style.css.jinja").render()
    roots = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    colours = dict(re.findall(r"--(\w+): #([0-9a-f]{6})", roots[scheme]))
    assert len(colours) == 9 + 3 * drawing.SERIES
    for text in ("text", "quiet", "accent"):
        for ground in ("ground", "soft", "code"):
            if (text, ground) != ("quiet", "soft"):
                assert _contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    for at in range(drawing.SERIES):
        assert _contrast(colours[f"s{at}"], colours["ground"]) >= 3, at
        assert _contrast(colours[f"h{at}"], colours[f"on{at}"]) >= 4.5, at
    assert _contrast(colours["note"], colours["ground"]) >= 3


# ---------------------------------------------------------------- what it says
def test_the_document_is_in_it(assay: Assay, page: Page) -> None:
    assert Assay.model_validate(page.data("assay")) == assay


def test_the_first_screen(assay: Assay, page: Page) -> None:
    at = point_at(assay.verification.at, 1e-3)
    assert at is not None
    told = headline(assay)
    assert told.number == words.percent(at.fnmr.rate)
    assert "1 in 1,000 comparisons of two different people pass" in told.number_means
    ratios = [
        next(one for one in part.differentials if one.fmr_target == 1e-3)
        for part in assay.partitions
    ]
    worst = max(ratios, key=lambda one: one.value.low or 0)
    assert worst.measure == "worst-over-best"
    assert f"the group {worst.worst} take two people for one" in told.groups[0]
    assert words.times(worst.value.value or 0) in told.groups[0]
    for line in (told.measured, told.number_means, *told.groups, *told.cannot_say):
        assert line in " ".join(page.text.split())


def test_what_may_be_chance_says_so(assay: Assay) -> None:
    part = assay.partitions[2]
    (first, *rest) = part.differentials

    def told(low: float | None, high: float | None) -> str:
        value = Value(value=2.0, low=low, high=high)
        changed = first.model_copy(update={"value": value, "fmr_target": 1e-3})
        only = part.model_copy(update={"differentials": (changed,)})
        return headline(assay.model_copy(update={"partitions": (only,)})).groups[0]

    assert rest
    assert "may be chance" in told(0.9, 3.0)
    assert "may be chance" not in told(1.2, 3.0)
    assert "at least 2.0 times" in told(1.2, None)
    assert "cannot be told apart from chance" in told(1.0, None)


def test_measures_that_are_not_defined_say_why(assay: Assay) -> None:
    part = assay.partitions[2]
    none = Value(value=None, low=None, high=None, note="Too few groups are large enough.")
    changed = tuple(
        one.model_copy(update={"value": none}) if one.measure == "gini" else one
        for one in part.differentials
    )
    only = part.model_copy(update={"differentials": changed})
    text = " ".join(Page(html(assay.model_copy(update={"partitions": (only,)}))).text.split())
    assert (
        "Not told here: gini coefficient of false matches and gini coefficient of false "
        "non-matches. Too few groups are large enough."
    ) in text
    assert "Not told here" not in html(assay)


def test_a_rate_that_cannot_be_shown_is_said(assay: Assay) -> None:
    said = " ".join(headline(assay).cannot_say)
    assert "1 in 1,000,000" in said
    assert "people match within green · square (by colour × shape): too few comparisons" in said
    assert "not measured" not in said
    said = " ".join(headline(bare()).cannot_say)
    assert said.count("not measured") == 2
    assert "Who is who: the data set does not say" in said


def test_the_tables_have_the_documents_numbers(assay: Assay, page: Page) -> None:
    for part in assay.partitions:
        for group in part.groups:
            at = point_at(group.at, 1e-3)
            assert at is not None
            fmr, fnmr = tables.rate_cells(at.fmr), tables.rate_cells(at.fnmr)
            assert any(row[0] == group.name and row[3:9] == [*fmr, *fnmr] for row in page.rows)
    for prediction in assay.predictions:
        assert [words.count(prediction.gallery_size), words.odds(prediction.fmr_target)] in [
            row[:2] for row in page.rows
        ]


def test_notes_stand_below_their_table_each_once(assay: Assay, page: Page) -> None:
    told = tables.groups(assay.partitions[2], 1e-3, "photographs")
    (note,) = told.notes
    assert note.startswith("Only 8 people")
    row = next(row for row in page.rows if row[0] == "green · square" and len(row) == 11)
    assert row[-1] == "1"
    assert note in page.text
    assert not any(note in cell for each in page.rows for cell in each)


def test_no_group_is_called_worst_or_best_and_too_small(assay: Assay) -> None:
    seen = 0
    for part in assay.partitions:
        small = {
            of: {one.name for one in part.groups if weak(one, 1e-3, of)} for of in ("fmr", "fnmr")
        }
        for one in part.differentials:
            if one.of != "both" and one.fmr_target == 1e-3:
                assert not {one.worst, one.best} & small[one.of]
                assert set(one.left_out) == small[one.of]
                seen += bool(one.left_out)
    assert seen


def of_scores(assay: Assay) -> Assay:
    """As if a file of scores had been handed over."""
    pairs = assay.verification.genuine + assay.verification.impostor
    labels = {"colour": {"red": pairs - 5, "": 5}}
    return assay.model_copy(
        update={
            "measured": Measured(kind="scores", name="theirs"),
            "failures": None,
            "stress": (),
            "discards": (),
            "data": DataSet(
                name="theirs.csv",
                digest="0f" * 32,
                rows=pairs + 2,
                rows_are="comparisons",
                images=pairs,
                subjects=None,
                columns=labels,
                exclusions=(Exclusion(reason="the score is no number", count=2, rows=(3, 9)),),
                suspicions=(Suspicion(what="scores lie the other way", rows=tuple(range(30))),),
                not_checked=("Swapped labels were not looked for: scores name nobody",),
            ),
        }
    )


def test_scores_are_comparisons_and_never_photographs(assay: Assay) -> None:
    told = of_scores(assay)
    pairs = f"{told.data.images:,}"
    shown = headline(told)
    for line in (shown.measured, shown.number_means, *shown.groups, *shown.cannot_say):
        assert "photograph" not in line
    assert f"The scores of theirs are of {pairs} comparisons, of which" in shown.measured
    listed = [
        tables.groups(told.partitions[0], 1e-3, "comparisons"),
        tables.exclusions(told),
        tables.labels(told),
    ]
    assert not any("photograph" in str(one) for one in listed)
    made = Page(html(told))
    text = " ".join(made.text.split())
    assert f"<dt>Comparisons used</dt><dd>{pairs}</dd>" in made.source
    assert "This page shows no photograph" not in text
    assert text.count("Scores alone cannot tell.") == 2
    card_ = markdown(card(told))
    assert f"Comparisons used: {pairs}" in card_
    assert "Photographs" not in card_
    assert "Changes made to the photographs" not in card_


def test_groups_that_came_out_alike_are_not_called_worst_and_best(assay: Assay) -> None:
    part = assay.partitions[2]
    first = next(one for one in part.differentials if one.fmr_target == 1e-3)
    value = Value(value=1.0, low=1.0, high=40.0)
    alike = first.model_copy(update={"value": value, "best": first.worst})
    only = part.model_copy(update={"differentials": (alike,)})
    (said,) = headline(assay.model_copy(update={"partitions": (only,)})).groups
    assert "take two people for one as often in one group as in another" in said
    assert said.endswith(f"Too small to count: {first.left_out[0]}.")


def test_the_widest_gap_is_by_the_lower_end(assay: Assay) -> None:
    def gap(columns: tuple[str, ...], low: float, value: float) -> Partition:
        first = assay.partitions[2].differentials[0]
        told = Value(value=value, low=low, high=99.0)
        one = first.model_copy(update={"value": told, "fmr_target": 1e-3})
        changed = {"columns": columns, "differentials": (one,)}
        return assay.partitions[2].model_copy(update=changed)

    both = assay.model_copy(update={"partitions": (gap(("a",), 1.0, 9.0), gap(("b",), 3.0, 5.0))})
    assert headline(both).groups[0].startswith("By b, ")


def test_what_was_left_out_suspected_and_not_looked_for(assay: Assay) -> None:
    told = of_scores(assay)
    text = " ".join(Page(html(told)).text.split())
    assert ["left out: the score is no number", "−2", "rows 3 and 9"] in Page(html(told)).rows
    assert "Scores lie the other way. See rows 0, 1, 2, 3," in text
    assert "18 and 19, and 10 more" in text
    assert "Not everything was looked for:" in text
    assert "Swapped labels were not looked for: scores name nobody." in text
    assert "None was found" not in text
    clean = told.model_copy(update={"data": told.data.model_copy(update={"suspicions": ()})})
    assert "None was found, but not everything was looked for:" in html(clean)
    assert "Labels: Swapped labels were not looked for" in markdown(card(told))


def test_a_table_of_pairs_adds_up_too(assay: Assay) -> None:
    left_out = (Exclusion(reason="no such image", count=4, rows=(5,)),)

    def paired(used: int) -> Assay:
        pairs = StatedPairs(rows=10, used=used, exclusions=left_out)
        return assay.model_copy(update={"data": assay.data.model_copy(update={"pairs": pairs})})

    rows = Page(html(paired(6))).rows
    assert ["left out: no such image", "−4", "row 5, and 3 more"] in rows
    assert ["pairs used", "6", ""] in rows
    assert "do not add up" not in html(paired(6))
    assert "do not add up" in html(paired(7))


def test_searches_by_group(assay: Assay) -> None:
    largest = assay.identification[-1]
    few = NO_RATE.model_copy(update={"too_few": "Only 2 comparisons."})
    group = SearchGroup(
        columns=("colour",),
        name="red",
        at=tuple(one.model_copy(update={"fnir": few}) for one in largest.at),
        rank_one=largest.ranks[0].hit,
    )
    searched = largest.model_copy(update={"groups": (group,)})
    told = assay.model_copy(update={"identification": (*assay.identification[:-1], searched)})
    at = next(one for one in largest.at if one.fmr_target == 1e-3)
    page = Page(html(told))
    first = words.told(largest.ranks[0].hit)
    assert ["colour", "red", words.told(at.fpir), "no comparison", first, "1"] in page.rows
    assert "Searches by group of who is searched for" in page.text
    assert "Searches by group" not in html(assay)
    assert "Searches by group" in markdown(card(told))


def test_the_counts_add_up_or_it_says_so(assay: Assay) -> None:
    assert tables.adds_up(assay)
    assert "do not add up" not in html(assay)
    lost = assay.data.model_copy(update={"exclusions": assay.data.exclusions[:1]})
    assert "do not add up" in html(assay.model_copy(update={"data": lost}))


def test_before_and_after(assay: Assay, page: Page) -> None:
    earlier = sample(crowding=1.2)
    for was, now in zip(earlier.partitions, assay.partitions, strict=True):
        told = [
            words.value(one.value)
            for part in (was, now)
            for one in part.differentials
            if (one.measure, one.of, one.fmr_target) == ("worst-over-best", "fmr", 1e-3)
        ]
        assert f"worst over best: {told[0]} before, {told[1]} after" in page.text
    assert "They have no group in common" in html(assay, before=bare())
    assert "Their digests differ" not in page.text
    assert "their digests differ" in html(assay, before=bare())


def test_a_wider_gap_is_the_headline(assay: Assay) -> None:
    other = assay.model_copy(update={"partitions": assay.partitions[::-1]})
    assert headline(other).groups == headline(assay).groups


def test_the_heat_map_is_the_matrix(assay: Assay) -> None:
    matrix = next(one for one in assay.partitions[1].cross if one.fmr_target == 1e-3)
    made = heat.heat_map(matrix, "colour")
    assert made is not None
    assert sorted(made.names) == sorted(matrix.groups)
    for one, row in zip(made.names, made.rows, strict=True):
        for other, cell in zip(made.heads, row, strict=True):
            rate = matrix.rates[matrix.groups.index(one)][matrix.groups.index(other)]
            assert cell.told == words.odds(rate.rate)
            assert cell.full == f"{one} with {other}: {words.told(rate)}"
    within = [row[at].told for at, row in enumerate(made.rows)]
    assert within[0] == words.odds(max(matrix.rates[at][at].rate or 0 for at in range(4)))


@pytest.mark.parametrize(
    ("ratio", "look"),
    [(0, "h0"), (0.05, "h0"), (0.2, "h1"), (1, "h3"), (2, "h4"), (20, "h6"), (99, "h7")],
)
def test_the_heat_maps_colours(ratio: float, look: str) -> None:
    rate = Rate(errors=1, trials=9, rate=ratio / 1000, low=None, high=None, method="none")
    matrix = CrossMatrix(fmr_target=1e-3, threshold=1, groups=("a",), rates=((rate,),))
    made = heat.heat_map(matrix, "x")
    assert made is not None
    assert made.rows[0][0].look == look
    few = rate.model_copy(update={"too_few": "few"})
    made = heat.heat_map(matrix.model_copy(update={"rates": ((few,),)}), "x")
    assert made is not None
    assert made.rows[0][0].look == heat.FEW


# ---------------------------------------------------------------- the explorer
def test_the_explorers_steps_are_the_curves(assay: Assay, page: Page) -> None:
    made = explorer.ladder(assay)
    assert made is not None
    assert page.data("explorer-data") == made
    assert 10 < len(made["score"]) <= explorer.STEPS
    groups: list[Verification | Group] = [assay.verification]
    groups += [group for part in assay.partitions for group in part.groups]
    assert len(groups) == len(made["rows"])
    for group, row in zip(groups, made["rows"], strict=True):
        by_score = {round(one.score, 6): one for one in group.curve}
        for score, fmr, fnmr in zip(made["score"], row["fmr"], row["fnmr"], strict=True):
            assert by_score[score].fmr == pytest.approx(fmr, rel=1e-3)
            assert by_score[score].fnmr == pytest.approx(fnmr, rel=1e-3)
        for fmr, told in zip(row["fmr"], row["fmr_told"], strict=True):
            assert told == (words.odds(fmr) if fmr else f"none in {group.impostor:,}")
        for fnmr, told in zip(row["fnmr"], row["fnmr_told"], strict=True):
            assert told == (words.percent(fnmr) if fnmr else f"none in {group.genuine:,}")
    at = point_at(assay.verification.at, main_target(assay))
    assert at is not None
    start = made["rows"][0]["fmr"][made["start"]]
    assert start is not None
    assert 0.5 < start / 1e-3 < 2


def test_between_two_thresholds_the_explorer_reads_off_the_line(assay: Assay) -> None:
    every_third = assay.verification.curve[::3]
    group = assay.partitions[0].groups[0]
    coarse = group.model_copy(update={"curve": group.curve[::3]})
    shifted = group.model_copy(update={"curve": group.curve[1:-1:3]})
    part = assay.partitions[0].model_copy(update={"groups": (coarse, shifted)})
    verification = assay.verification.model_copy(update={"curve": every_third})
    made = explorer.ladder(
        assay.model_copy(update={"verification": verification, "partitions": (part,)})
    )
    assert made is not None
    _, exact, between = made["rows"]
    for at, (one, other) in enumerate(zip(exact["fmr"], between["fmr"], strict=True)):
        if one is not None and other is not None and other > 1e-3:
            assert other == pytest.approx(one, rel=0.15), at
    assert between["fmr"][0] is None or between["fmr"][0] <= 1
    assert between["fmr"][-1] is None or (between["fmr"][-1] or 0) >= 0


# ---------------------------------------------------------------- words and axes
@pytest.mark.parametrize(
    ("share", "percent", "odds"),
    [
        (None, "–", "–"),
        (0.0, "0 %", "none"),
        (1.0, "100 %", "100 %"),
        (1e-6, "0.00010 %", "1 in 1,000,000"),
        (1 / 83, "1.2 %", "1 in 83"),
        (0.00100000001, "0.10 %", "1 in 1,000"),
        (0.0999, "10.0 %", "1 in 10"),
        (0.345, "34.5 %", "34.5 %"),
        (0.9997, "99.970 %", "99.970 %"),
        (0.9999999, "over 99.999 %", "over 99.999 %"),
        (3e-10, "0.000000030 %", "1 in 3,330,000,000"),
    ],
)
def test_shares_in_words(share: float | None, percent: str, odds: str) -> None:
    assert words.percent(share) == percent
    assert words.odds(share) == odds


def test_rates_in_words() -> None:
    rate = Rate(errors=12, trials=1000, rate=0.012, low=0.007, high=0.021, method="wilson")
    assert words.told(rate) == "1.2 % (12 of 1,000; 95 %: 0.70–2.1 %)"
    none = Rate(errors=0, trials=300, rate=0.0, low=0.0, high=0.0126, method="wilson")
    assert words.told(none) == "none in 300; at most 1.3 %"
    assert words.told(NO_RATE) == "no comparison"
    assert words.listed(("a", "b", "c")) == "a, b and c"
    assert words.listed(tuple("abcdefgh")) == "a, b, c, d, e, f and 2 more"


@pytest.mark.parametrize("kind", ["linear", "log", "deviate"])
def test_axes_keep_order_and_clip(kind: drawing.Kind) -> None:
    axis = drawing.Axis(kind, 0.001, 0.5, 10, 110, words.tick)
    places = [axis.at(value) for value in (0.0, 0.001, 0.01, 0.1, 0.5, 0.9)]
    assert places == sorted(places)
    assert (places[0], places[1], places[-2], places[-1]) == (10, 10, 110, 110)
    assert all(0.001 <= tick <= 0.5 for tick in axis.ticks())
    if kind == "deviate":
        assert axis.at(0.5) - axis.at(0.1) == pytest.approx(100 * 1.28155 / 3.09023, abs=0.1)
    if kind == "log":
        assert axis.at(0.01) == pytest.approx(10 + 100 / math.log10(500), abs=0.1)


@given(
    st.sampled_from(["linear", "log", "deviate"]),
    st.floats(1e-7, 0.9),
    st.floats(1.0, 1e6),
)
def test_every_axis_has_ticks_that_can_be_told_apart(
    kind: drawing.Kind, low: float, wider: float
) -> None:
    high = min(low * wider, 0.98) if kind == "deviate" else low * wider
    axis = drawing.Axis(kind, low, max(low, high), 64, 426, words.tick)
    ticks = axis.ticks()
    assert len(ticks) <= 12
    assert ticks == sorted(set(ticks))
    assert all(64 <= axis.at(one) <= 426 for one in ticks)


def test_galleries_within_one_power_of_ten(assay: Assay) -> None:
    found = [one for one in assay.identification if one.gallery_size in (30, 100)]
    two = [
        found[0].model_copy(update={"gallery_size": 23}),
        found[1].model_copy(update={"gallery_size": 81}),
    ]
    for some in (two, two[:1]):
        changed = assay.model_copy(update={"identification": tuple(some), "predictions": ()})
        assert "people enrolled" in html(changed)


# ---------------------------------------------------------------- bad input
def renamed(assay: Assay, names: tuple[str, ...]) -> Assay:
    """Every name that others choose, replaced."""

    def turn(at: int) -> str:
        return f"{names[at % len(names)]}{at}"

    parts = []
    for part in assay.partitions:
        new = {group.name: turn(at) for at, group in enumerate(part.groups)}
        told = json.loads(part.model_dump_json())
        for group in told["groups"]:
            group["name"] = new[group["name"]]
        for matrix in told["cross"]:
            matrix["groups"] = [new[one] for one in matrix["groups"]]
        for one in told["differentials"]:
            for word in ("worst", "best"):
                one[word] = new.get(one[word], "")
            for word in ("groups", "left_out"):
                one[word] = [new[name] for name in one[word]]
        told["columns"] = [turn(at) for at in range(len(told["columns"]))]
        parts.append(Partition.model_validate(told))
    data = assay.data.model_copy(
        update={
            "name": turn(0),
            "licence": turn(1),
            "columns": {turn(0): {turn(1): 3}},
            "exclusions": (Exclusion(reason=turn(2), count=42),),
            "caveats": (turn(3),),
        }
    )
    measured = assay.measured.model_copy(update={"name": turn(4), "comparison": turn(5)})
    stress = [
        one.model_copy(
            update={
                "kind": turn(at),
                "unit": turn(at + 1),
                "groups": tuple(
                    group.model_copy(
                        update={
                            "columns": parts[-1].columns,
                            "name": turn(place - 1) if group.name else "",
                        }
                    )
                    for place, group in enumerate(one.groups)
                ),
            }
        )
        for at, one in enumerate(assay.stress)
    ]
    return assay.model_copy(
        update={
            "partitions": tuple(parts),
            "data": data,
            "measured": measured,
            "stress": tuple(stress),
            "discards": tuple(
                one.model_copy(update={"quality": turn(at)})
                for at, one in enumerate(assay.discards)
            ),
            "warnings": names,
        }
    )


def test_hostile_names_are_text(assay: Assay, page: Page) -> None:
    hostile = renamed(assay, HOSTILE)
    source = html(hostile, before=hostile)
    made = Page(source)
    assert made.data("assay") == json.loads(hostile.model_dump_json())
    assert len(made.all("script")) == len(page.all("script")) == 3
    assert not made.all("img")
    assert not made.all("b") or all("class" in one for one in made.all("b"))
    assert "\u2028" not in "".join(made.texts["script"])
    for name in HOSTILE:
        assert name in made.text
    assert "49" not in re.findall(r"<h1>.*?</h1>", source)[0]


def many(count: int) -> Assay:
    """So many groups of one column, all alike but for their rates."""
    at = sample_().partitions[2].groups[0].at
    curve = sample_().partitions[2].groups[0].curve
    groups = tuple(
        Group(
            name=f"group {number}",
            labels={"x": f"group {number}"},
            subjects=20,
            images=50,
            failures=None,
            genuine=40,
            impostor=9000,
            curve=curve,
            at=tuple(
                OperatingPoint(
                    fmr_target=one.fmr_target,
                    threshold=one.threshold,
                    fmr=Rate(errors=number, trials=9000, rate=number / 9000, low=number / 12000,
                             high=number / 6000, method="wilson"),
                    fnmr=NO_RATE,
                )
                for one in at
            ),
        )
        for number in range(1, count + 1)
    )  # fmt: skip
    rates = tuple(
        tuple(groups[max(one, other)].at[1].fmr for other in range(count)) for one in range(count)
    )
    matrix = CrossMatrix(
        fmr_target=1e-3, threshold=3.0, groups=tuple(one.name for one in groups), rates=rates
    )
    part = Partition(columns=("x",), groups=groups, unlabelled=0, cross=(matrix,), differentials=())
    return sample_().model_copy(update={"partitions": (part,), "stress": ()})


def test_sixty_groups() -> None:
    made = Page(html(many(60)))
    text = " ".join(made.text.split())
    assert "60 groups." in text
    assert "the table has all" in text
    assert "40 groups with lower rates" in text
    rows = [row[0] for row in made.rows]
    assert all(f"group {number}" in rows for number in range(1, 61))
    heats = [one for one in made.all("td") if re.match(r"h\d|few", one.get("class") or "")]
    assert len(heats) == heat.MOST**2


def test_one_group() -> None:
    made = Page(html(many(1)))
    assert "1 group." in " ".join(made.text.split())
    assert "Too few comparisons in the groups to say which is worst" in made.text


def test_nothing_at_all() -> None:
    made = Page(html(bare()))
    assert "nothing was compared" in made.text
    assert made.text.count("Not measured.") == 3
    assert "There is no one number to show" in made.text
    assert "Not shown: there is no curve over thresholds." in made.text
    assert [one for one in made.all("svg") if one.get("role") == "img"] == []


def test_trials_without_any_error_or_threshold(assay: Assay) -> None:
    told = json.loads(assay.model_dump_json())

    def emptied(value: Any) -> Any:
        if isinstance(value, dict):
            if {"errors", "trials", "rate"} <= set(value):
                return NO_RATE.model_dump()
            if {"value", "low", "high"} <= set(value):
                return {"value": None, "low": None, "high": None, "note": ""}
            kept = {name: emptied(each) for name, each in value.items()}
            if "threshold" in kept and "fnmr" in kept and "unit" not in kept:
                kept["threshold"] = None
            if "curve" in kept:
                kept["curve"] = []
            return kept
        return [emptied(each) for each in value] if isinstance(value, list) else value

    empty = Assay.model_validate(emptied(told))
    made = Page(html(empty, before=empty))
    assert "There is no one number to show" in made.text
    assert not re.search(r"\bnan\b|\binf\b|None", made.text)


def test_no_genuine_comparison(assay: Assay) -> None:
    """As UTKFace, which does not say who is who."""

    def without(points: tuple[OperatingPoint, ...]) -> tuple[OperatingPoint, ...]:
        return tuple(one.model_copy(update={"fnmr": NO_RATE}) for one in points)

    verification = assay.verification
    curve = tuple(one.model_copy(update={"fnmr": None}) for one in verification.curve)
    only = assay.model_copy(
        update={
            "verification": verification.model_copy(
                update={"genuine": 0, "at": without(verification.at), "curve": curve}
            ),
            "data": assay.data.model_copy(update={"subjects": None}),
        }
    )
    made = Page(html(only))
    assert headline(only).number.startswith("1 in ")
    assert "misses could not be counted" in made.text
    assert "the data set does not say who is who" in made.text


# ---------------------------------------------------------------- score normalisation
def _equalised() -> Equalised:
    def group(name: str, matches: int) -> GroupRate:
        share = matches / 100_000
        value = Value(value=share, low=share * 0.8, high=share * 1.2)
        return GroupRate(name=name, images=300, matches=matches, comparisons=100_000, fmr=value)

    def variant(name: str, counts: dict[str, int]) -> Judged:
        ratio = max(counts.values()) / min(counts.values())
        at = AtRate(
            data_set="people",
            fmr=1e-3,
            true_match=Value(value=0.981, low=0.97, high=0.99),
            worst_over_best=Value(value=ratio, low=ratio / 2, high=ratio * 2),
            groups=tuple(group(*one) for one in counts.items()),
        )
        bare_ = AtRate(data_set="others", fmr=1e-3, true_match=None, worst_over_best=None)
        return Judged(name=name, method="m", dimensions=130, microseconds=9.5, at=(at, bare_))

    return Equalised(
        made_on=date(2026, 11, 22),
        pack_digest="5c" * 32,
        fitted_on="people",
        parts=4,
        seed=0,
        data_sets={"people": 600, "others": 10},
        variants=(
            variant("raw", {"a": 900, "b": 10}),
            variant(SHIPPED, {"a": 150, "b": 60}),
            variant("another", {"a": 200, "b": 50}),
        ),
        caveats=("the groups are small",),
    )


def test_before_and_after_normalisation(assay: Assay) -> None:
    told = _equalised()
    made = Page(html(assay, before=told))
    text = " ".join(made.text.split())
    assert "worst over best: 90.0 (45.0 to 180) before, 2.50 (1.25 to 5.00) after" in text
    assert "The groups are small." in text
    assert "on another model pack" not in text
    row = next(row for row in made.rows if row[0] == "a" and row[1] == "300")
    assert row[2].startswith("0.90 % (900 of 100,000")
    assert row[3].startswith("0.15 % (150 of 100,000")
    assert [row[0] for row in made.rows if row[1:2] == ["others"]] == ["raw", SHIPPED, "another"]
    other = told.model_copy(update={"pack_digest": "00"})
    assert "on another model pack" in html(assay, before=other)


# ---------------------------------------------------------------- photographs
def _drawn(path: Path, colour: str) -> None:
    picture = Image.new("RGB", (400, 300), colour)
    exif = Image.Exif()
    exif[0x010E] = "secret place"
    picture.save(path, exif=exif)


@pytest.fixture
def failures(tmp_path: Path) -> Path:
    """Pictures of nobody, and a table of pairs of them."""
    _drawn(tmp_path / "one.jpg", "navy")
    _drawn(tmp_path / "two.jpg", "maroon")
    table = tmp_path / "failures.csv"
    table.write_text(
        "image_a,image_b,same\none.jpg,two.jpg,1\ntwo.jpg,one.jpg,no\none.jpg,one.jpg,perhaps\n"
    )
    return table


def _showing(assay: Assay) -> Assay:
    return assay.model_copy(update={"data": assay.data.model_copy(update={"may_show": True})})


def test_photographs_are_small_and_only_pixels(assay: Assay, failures: Path) -> None:
    pairs = photographs.read_failures(failures)
    assert [(one.row, one.same) for one in pairs] == [(1, True), (2, False)]
    with temporary_instance() as made, made.permitted("measure-accuracy") as permit:
        shown = photographs.shown(_showing(assay), pairs, permit=permit)
    source = html(_showing(assay), photographs=shown)
    page = Page(source)
    assert len(page.all("img")) == 4
    assert all(one["alt"] for one in page.all("img"))
    for one in page.all("img"):
        told = base64.b64decode((one["src"] or "").removeprefix("data:image/jpeg;base64,"))
        with Image.open(BytesIO(told)) as picture:
            assert max(picture.size) == photographs.SIDE
            assert not picture.getexif()
        assert b"secret" not in told
    assert "one.jpg" not in source
    assert "Row 1: one person, told to be two." in " ".join(page.text.split())


@pytest.mark.parametrize("way", ["../{0}/one.jpg", "more/../../{0}/one.jpg", "..", "{1}/one.jpg"])
@pytest.mark.parametrize("row", ["{0},two.jpg,1", "two.jpg,{0},0"])
def test_a_table_of_failures_names_no_photograph_outside_its_folder(
    failures: Path, tmp_path: Path, way: str, row: str
) -> None:
    path = way.format(tmp_path.name, tmp_path)
    failures.write_text("image_a,image_b,same\none.jpg,./two.jpg,1\n" + row.format(path) + "\n")
    with pytest.raises(ManifestError, match="row 2 of the failures leads out") as refused:
        photographs.read_failures(failures)
    assert str(tmp_path) not in str(refused.value)


def test_photographs_are_refused(assay: Assay, failures: Path, tmp_path: Path) -> None:
    pairs = photographs.read_failures(failures)
    with pytest.raises(PermitError):
        photographs.shown(_showing(assay), pairs, permit=None)  # type: ignore[arg-type]
    with temporary_instance() as made, made.permitted("measure-accuracy") as permit:
        with pytest.raises(ManifestError, match="not known to allow"):
            photographs.shown(assay, pairs, permit=permit)
        (tmp_path / "two.jpg").write_bytes(b"no image")
        with pytest.raises(ManifestError, match="row 1"):
            photographs.shown(_showing(assay), pairs, permit=permit)
    failures.write_text("image_a,image_b,same\none.jpg,two.jpg,perhaps\n")
    with pytest.raises(ManifestError, match="no pair"):
        photographs.read_failures(failures)
    failures.write_text("image_a,image_b\none.jpg,two.jpg\n")
    with pytest.raises(TableError):
        photographs.read_failures(failures)
