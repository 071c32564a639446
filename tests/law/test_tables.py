"""The instruments against the project's own tables of facts, where those are at hand."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from rightface.law.library import InstrumentLibrary
from rightface.law.question import Question
from rightface.law.testing import cases_of

LIBRARY = InstrumentLibrary.load()
TABLES = Path(__file__).resolve().parents[3] / "shared" / "law"
FROM_A_TABLE = re.compile(r"[A-Z]+[0-9]*-[0-9]+")
needs_tables = pytest.mark.skipif(
    not TABLES.is_dir(), reason="the folder shared/law with the tables of facts is not beside this"
)
DATES = ("adopted", "effective_from", "effective_until")
LISTS = ("exceptions", "duties", "remedies", "gaps", "contradictions", "milestones", "sources")


def _instruments() -> list[dict[str, Any]]:
    if not TABLES.is_dir():
        return []
    told = yaml.safe_load((TABLES / "instruments.yaml").read_text("utf-8"))
    return list(told)


TOLD = _instruments()
CASES = [(one["id"], case) for one in TOLD for case in one["test_cases"]]


def _ours(instrument: str) -> dict[str, Question]:
    return {case.question_id: case for case in cases_of(LIBRARY, instrument)}


def test_there_are_forty_eight_instruments_and_190_cases_of_the_tables() -> None:
    ours = [
        case.question_id
        for one in LIBRARY.instruments
        for case in cases_of(LIBRARY, one)
        if FROM_A_TABLE.fullmatch(case.question_id)
    ]
    assert len(LIBRARY.instruments) == 48 + 1  # and the baseline
    assert len(ours) == len(set(ours)) == 190


@needs_tables
@pytest.mark.parametrize("told", TOLD, ids=lambda one: one["id"])
def test_the_facts_carry_over(told: dict[str, Any]) -> None:
    ours = LIBRARY.instrument(told["id"]).facts
    assert (ours["kind"], ours["jurisdiction"]) == (told["kind"], told["jurisdiction"])
    assert ours["confidence"] == told["confidence"]
    assert {name: ours.get(name) for name in DATES} == {name: told.get(name) for name in DATES}
    assert set(ours["applies_to"]) == set(told["applies_to"])
    for name in LISTS:
        assert len(ours.get(name, [])) >= len(told.get(name) or []), name
    if told.get("lifts_when"):
        assert ours["lifts_when"]["text"]


@needs_tables
@pytest.mark.parametrize(("instrument", "told"), CASES, ids=[case["id"] for _, case in CASES])
def test_the_case_is_the_table_s(instrument: str, told: dict[str, Any]) -> None:
    ours = _ours(instrument)[told["id"]]
    words = LIBRARY.vocabulary
    assert ours.expect == told["expect"]
    assert ours.as_of == _midnight(told["as_of"])
    if "knowledge_as_of" in told:
        assert ours.known_at == _midnight(told["knowledge_as_of"])
    assert ours.actor == told["actor"]
    assert ours.place_jurisdiction == told["jurisdiction"]
    assert ours.action == words.operation(told["operation"])
    assert ours.warrant == (told["warrant"] or "none")
    if told["consent"] is not None:
        assert ours.conditions.get("consent", False) is told["consent"]


@needs_tables
def test_what_the_tables_do_not_vouch_for_is_marked() -> None:
    for told in TOLD:
        ours = LIBRARY.instrument(told["id"])
        if told["confidence"] != "seen":
            assert ours.unverified, told["id"]
        marks = [entry["c"] for entry in told.get("exceptions") or []]
        kept = [entry["c"] for entry in ours.facts.get("exceptions", [])]
        assert kept.count("recalled") >= marks.count("recalled"), told["id"]


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
