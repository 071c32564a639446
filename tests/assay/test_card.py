"""The model card: every chapter of Mitchell et al., and no number that is not the document's."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from rightface.assay.report import words
from rightface.assay.report.card import card, markdown
from rightface.assay.report.make import card_html
from tests.assay.test_report import HOSTILE, Page, bare, renamed, sample_

CHAPTERS = [
    "Model details",
    "Intended use",
    "Factors",
    "Metrics",
    "Evaluation data",
    "Training data",
    "Quantitative analyses",
    "Ethical considerations",
    "Caveats and recommendations",
]
NUMBER = re.compile(r"\d[\d,.]*\d|\d")


def _values(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for each in value.values():
            yield from _values(each)
        yield from value
    elif isinstance(value, list):
        yield len(value)
        for each in value:
            yield from _values(each)
    else:
        yield value


def _forms(value: Any) -> set[str]:
    """Every way in which the card may write a value of the document."""
    if isinstance(value, str):
        return set(NUMBER.findall(value))
    if isinstance(value, bool) or value is None:
        return set()
    shown = [words.figure(value), words.plain(value), f"{value:,}"]
    if value > 0:
        shown.append(words.times(value))
    if 0 <= value <= 1:
        shown += [words.percent(value), words.percent(1 - value), words.odds(value)]
    return {number for one in shown for number in NUMBER.findall(one)}


def test_every_number_is_the_documents() -> None:
    assay = sample_()
    document = json.loads(assay.model_dump_json())
    known = {number for value in _values(document) for number in _forms(value)}
    pairs = assay.verification.genuine + assay.verification.impostor
    known |= {f"{pairs:,}"}  # their sum, which the headline tells
    known |= set(NUMBER.findall(markdown(card(bare()))))  # clauses, years, the 95 % of intervals
    card_ = card(assay)
    said = NUMBER.findall(markdown(card_))
    assert len(said) > 500
    assert sorted({number for number in said if number not in known}) == []


def test_every_chapter_is_there() -> None:
    for assay in (sample_(), bare()):
        made = card(assay)
        assert [one.title for one in made.sections] == CHAPTERS
        assert re.findall("^## (.*)$", markdown(made), re.MULTILINE) == CHAPTERS
        page = Page(card_html(made))
        assert page.texts["h2"] == CHAPTERS
        assert page.all("script") == []


def test_hostile_names_are_text() -> None:
    hostile = renamed(sample_(), HOSTILE)
    made = card(hostile)
    page = Page(card_html(made))
    assert not page.all("img")
    for name in HOSTILE:
        assert " ".join(name.split()) in " ".join(page.text.split())
    told = markdown(made)
    assert not re.search(r"(?<!\\)<", told)
    rows = [line for line in told.splitlines() if line.startswith("|")]
    assert rows
    assert all(line.endswith("|") for line in rows)
    # Every table keeps its shape: a bar inside a name is escaped.
    lengths = [len(re.findall(r"(?<!\\)\|", line)) for line in rows]
    for before, line, after in zip(lengths, rows[1:], lengths[1:], strict=False):
        if line.startswith("| ---"):
            assert before == after


def test_what_is_not_in_the_document_is_said_to_be_missing() -> None:
    told = markdown(card(bare()))
    assert "no factor was seen" in told
    assert "No threshold was looked at." in told
    assert "does not know what the model was trained on" in told
