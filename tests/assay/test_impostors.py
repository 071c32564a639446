"""Everybody with everybody, against the same by hand; and the whole way to a calibration."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import date
from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray

from rightface.assay import impostors, permits
from rightface.assay.calibrate import CalibrationError, curve
from rightface.assay.calibrating import told_of, uncalibrated
from rightface.assay.calibration_document import MeasuredSet, document, written
from rightface.assay.cohorts import UNKNOWN, column
from rightface.assay.held_back import held_back
from rightface.assay.impostors import Sample, compare
from rightface.assay.permits import Permitted as Asked
from rightface.errors import PermitError
from rightface.faces.calibration import Calibration
from rightface.faces.rate_table import RateTable
from rightface.permit import Permit
from tests.conftest import Permitted

PACK = uncalibrated("raw")


def drawn(count: int, seed: int) -> NDArray[np.float32]:
    """Templates that lie together as faces' do."""
    made = np.random.default_rng(seed).standard_normal((count, 128)) * 0.4
    made[:, 0] += 4
    unit = made / np.linalg.norm(made, axis=1, keepdims=True)
    return np.asarray(unit, np.float32)


def sample(name: str, count: int, seed: int, *, people: bool = True, cohorts: int = 0) -> Sample:
    who = np.random.default_rng(seed).integers(0, count // 2, count).astype(np.int32)
    who[:3] = UNKNOWN
    labels = [f"g{row % cohorts}" if row % 7 else "" for row in range(count)] if cohorts else []
    return Sample(
        name=name,
        templates=drawn(count, seed),
        people=who if people else None,
        cohorts=column("group", labels) if cohorts else None,
    )


def measuring(permitted: Permitted) -> Asked:
    return partial(permitted, "measure-accuracy")


def by_hand(one: Sample, other: Sample | None = None) -> tuple[list[float], list[float]]:
    """Impostor and genuine scores of a set with itself, or with another."""
    impostor: list[float] = []
    genuine: list[float] = []
    second = other or one
    for i, probe in enumerate(one.templates):
        for j, reference in enumerate(second.templates):
            if other is None and j <= i:
                continue
            score = float(probe @ reference)
            same = (
                other is None
                and one.people is not None
                and one.people[i] == one.people[j] != UNKNOWN
            )
            (genuine if same else impostor).append(score)
    return impostor, genuine


def test_all_pairs_once_and_kept_apart(
    permitted: Permitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(impostors, "ROWS", 17)
    monkeypatch.setattr(impostors, "COLUMNS", 23)
    a, b, c = sample("a", 60, 1), sample("b", 50, 2), sample("c", 40, 3)
    got = compare(PACK, [a, b, c], apart=[frozenset({"a", "b"})], permitted=measuring(permitted))
    parts = [by_hand(a), by_hand(b), by_hand(c), by_hand(a, c), by_hand(b, c)]
    scores = np.sort(np.concatenate([part[0] for part in parts]))
    assert got.impostors.total == len(scores)
    assert got.highest.people.comparisons() == len(scores)
    assert got.genuine == pytest.approx(np.sort(np.concatenate([part[1] for part in parts])))
    for share in (0.5, 0.1, 0.01):
        truth = np.quantile(scores, 1 - share)
        assert got.impostors.score_at(share) == pytest.approx(truth, abs=2e-3)
    highest = np.sort(got.highest.scores)
    assert highest == pytest.approx(scores[-len(highest) :])
    assert len(highest) == pytest.approx(0.05 * len(scores), rel=0.1)
    assert (got.highest.one != got.highest.other).all()


def test_memory_grows_with_people_not_with_their_comparisons(permitted: Permitted) -> None:
    """All 12.5 million scores of 5,000 would be 50 MB, their places 200 MB more."""
    many = sample("many", 5000, 1, cohorts=4)
    asked = measuring(permitted)
    with asked():
        pass  # what a first permit loads is not counted
    tracemalloc.start()
    try:
        compare(PACK, [many], permitted=asked)
        assert tracemalloc.get_traced_memory()[1] < 100_000_000
    finally:
        tracemalloc.stop()


def test_cohorts_are_compared_within(permitted: Permitted) -> None:
    known = sample("known", 60, 1, cohorts=2)
    nameless = sample("nameless", 40, 2, people=False, cohorts=3)
    got = compare(PACK, [known, nameless], permitted=measuring(permitted))
    names = [each.name for each in got.cohorts]
    assert names == ["g0 (known)", "g1 (known)"] + [f"g{n} (nameless)" for n in range(3)]
    assert got.impostors.total == len(by_hand(known)[0])  # the nameless are not among them
    for each, whole in zip(got.cohorts, [known] * 2 + [nameless] * 3, strict=True):
        assert whole.cohorts is not None
        rows = whole.cohorts.codes == whole.cohorts.values.index(each.name.split(" ")[0])
        people = None if whole.people is None else whole.people[rows]
        part = Sample(name="", templates=whole.templates[rows], people=people, cohorts=None)
        impostor, genuine = by_hand(part)
        assert each.images == rows.sum()
        assert each.impostors.total == len(impostor)
        assert each.genuine == pytest.approx(np.sort(genuine))


def test_without_anybody_known_there_is_nothing(permitted: Permitted) -> None:
    with pytest.raises(CalibrationError, match="who is who"):
        compare(PACK, [sample("a", 60, 1, people=False)], permitted=measuring(permitted))


def test_a_permit_for_something_else_does_not_do(permitted: Permitted) -> None:
    with pytest.raises(PermitError):
        compare(PACK, [sample("a", 60, 1)], permitted=partial(permitted, "detect"))


def test_a_permit_is_asked_for_anew(permitted: Permitted, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[bool] = []

    @contextmanager
    def watched() -> Iterator[Permit]:
        with permitted("measure-accuracy") as permit:
            assert not any(opened)  # never two at once
            opened.append(True)
            yield permit
            opened[-1] = False

    asked: Asked = watched
    assert isinstance(asked(), AbstractContextManager)
    compare(PACK, [sample("a", 60, 1)], permitted=asked)
    assert opened == [False]
    monkeypatch.setattr(permits, "RENEWED", -1.0)
    compare(PACK, [sample("a", 60, 1)], permitted=asked)
    assert len(opened) > 3
    assert not any(opened)


def test_a_document_is_a_calibration_and_is_the_same_again(permitted: Permitted) -> None:
    sets = [sample("a", 260, 1, cohorts=2), sample("b", 200, 2, people=False, cohorts=2)]
    compared = compare(PACK, sets, permitted=measuring(permitted))
    told = [
        MeasuredSet(name="a", images=260, without_face=1, people=130),
        MeasuredSet(name="b", images=200, without_face=0, people=None),
    ]
    made = document(told_of(PACK), told, compared, on=date(2026, 11, 22), caveats=["Drawn."])
    again = document(told_of(PACK), told, compared, on=date(2026, 11, 22), caveats=["Drawn."])
    text = written(made)
    assert json.loads(text) == made == again
    assert max(map(len, text.splitlines())) < 200
    loaded = Calibration.from_json(json.loads(text))
    assert loaded.provenance.pack_digest == PACK.digest
    assert loaded.provenance.data_sets == (
        "a: 260 photographs of 130 people",
        "b: 200 photographs of nobody knows whom",
    )
    (drawn_, unequal) = loaded.provenance.caveats
    assert drawn_ == "Drawn."
    rates = {one.name: 10 ** one.table.log_rate(loaded.score_at(1e-3)) for one in loaded.cohorts}
    worst, best = max(rates, key=rates.__getitem__), min(rates, key=rates.__getitem__)
    assert f"within {worst} reach it once in {1 / rates[worst]:,.0f}" in unequal
    assert f"within {best} once in {1 / rates[best]:,.0f}" in unequal
    assert [each.name for each in loaded.cohorts] == [
        "g0 (a)",
        "g1 (a)",
        "g0 (b)",
        "g1 (b)",
    ]
    assert loaded.provenance.smallest_fmr == pytest.approx(loaded.table.smallest_fmr, rel=1e-3)
    for cohort in loaded.cohorts:
        assert cohort.table.smallest_fmr >= 1e-3
    score = loaded.score_at(1e-2)
    band = loaded.band(score)
    assert band is not None
    assert band[0] < 1e-2 < band[1]


def test_a_cohort_that_is_too_small_is_named(permitted: Permitted) -> None:
    compared = compare(PACK, [sample("a", 120, 1, cohorts=3)], permitted=measuring(permitted))
    told = [MeasuredSet(name="a", images=120, without_face=0, people=60)]
    made = document(told_of(PACK), told, compared, on=date(2026, 11, 22), caveats=[])
    assert made["cohorts"] == []
    assert made["too_small"] == ["g0 (a)", "g1 (a)", "g2 (a)"]


def test_tails_of_a_part_are_judged_by_all(permitted: Permitted) -> None:
    whole = sample("a", 1000, 1)
    got = compare(PACK, [whole], permitted=measuring(permitted))
    made = curve(got.impostors)
    table = RateTable(made.rows, made.tail)
    found = held_back(PACK, [whole], table, permitted=measuring(permitted), share=0.3, drawings=6)
    assert [one.fmr for one in found] == [1e-3, 1e-4]
    for one in found:
        assert one.drawings == 6
        assert one.measured_to > 3 * made.smallest_fmr
        assert abs(one.mean) <= one.deviation < 0.7
    again = held_back(PACK, [whole], table, permitted=measuring(permitted), share=0.3, drawings=6)
    assert again == found
