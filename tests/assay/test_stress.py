"""Changed probes against unchanged references: every count against a naive double loop."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from instance import temporary_instance
from rightface.assay import stress
from rightface.assay.bootstrap import SubjectBootstrap
from rightface.assay.cohorts import UNKNOWN, column
from rightface.assay.intervals import wilson
from rightface.assay.operating import Threshold
from rightface.assay.result import StressGroup
from rightface.assay.stress import Unchanged, stress_of, years_apart
from rightface.errors import PermitError
from rightface.permit import Permit

AT = Threshold(1e-2, 0.3)
STRICT = Threshold(1e-3, 0.7)


@pytest.fixture(scope="module")
def permit() -> Iterator[Permit]:
    with temporary_instance() as room, room.permitted("measure-accuracy") as opened:
        yield opened


def drawn(rows: int, *, seed: int, known: bool = True) -> Unchanged:
    """Vectors of few dimensions, so that scores spread; three people in five are known."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(rows, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    subjects = rng.integers(-1, max(2, rows // 3), rows).astype(np.int32)
    if not known:
        subjects[:] = UNKNOWN
    a, b = np.triu_indices(rows, 1)
    same = (subjects[a] == subjects[b]) & (subjects[a] != UNKNOWN)
    groups = column("gender", rng.choice(["f", "m", ""], rows).tolist())
    return Unchanged(
        references=vectors,
        subjects=subjects,
        genuine_a=a[same].astype(np.int32),
        genuine_b=b[same].astype(np.int32),
        partitions=(groups,),
        thresholds=(AT, STRICT),
        bootstrap=SubjectBootstrap(subjects, replicates=50),
    )


def naive(
    unchanged: Unchanged, probes: NDArray[np.float32], rows: NDArray[np.int32], at: Threshold
) -> dict[str, tuple[int, int, int, int]]:
    """Group → false matches, impostor trials, misses, genuine trials; "" is everybody."""
    found = {name: [0, 0, 0, 0] for name in ("", "f", "m")}
    subjects, groups = unchanged.subjects, unchanged.partitions[0]
    for (place, row), other in product(enumerate(rows.tolist()), range(len(subjects))):
        if row == other:
            continue
        score = probes[place] @ unchanged.references[other]
        genuine = subjects[row] == subjects[other] and subjects[row] != UNKNOWN
        names = [""]
        if groups.codes[row] == groups.codes[other] != UNKNOWN:
            names.append(groups.values[groups.codes[row]])
        for name in names:
            told = found[name]
            told[2 if genuine else 0] += (score < at.score) if genuine else (score >= at.score)
            told[3 if genuine else 1] += 1
    return {name: (told[0], told[1], told[2], told[3]) for name, told in found.items()}


@pytest.mark.parametrize("seed", range(6))
def test_counts_are_those_of_a_double_loop(
    seed: int, permit: Permit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stress, "AT_ONCE", 100)  # blocks of a few probes
    unchanged = drawn(40, seed=seed, known=seed != 5)
    rng = np.random.default_rng(100 + seed)
    rows = np.sort(rng.choice(40, 30, replace=False)).astype(np.int32)
    probes = unchanged.references[rows] + rng.normal(0, 0.3, (30, 4)).astype(np.float32)
    changed = np.ones(40, np.bool_)
    told = stress_of(
        *(unchanged, probes, rows, changed), kind="blur", level=3, unit="pixels", permit=permit
    )
    assert [each.fmr_target for each in told] == [1e-2, 1e-3]
    for each, at in zip(told, (AT, STRICT), strict=True):
        expected = naive(unchanged, probes, rows, at)
        for group in each.groups:
            assert counts(group) == expected[group.name]
        assert [group.columns for group in each.groups] == [(), ("gender",), ("gender",)]


def counts(group: StressGroup) -> tuple[int, int, int, int]:
    return (group.fmr.errors, group.fmr.trials, group.fnmr.errors, group.fnmr.trials)


def test_failures_are_of_photographs_that_were_changed(permit: Permit) -> None:
    unchanged = drawn(40, seed=1)
    rows = np.arange(10, dtype=np.int32)
    changed = np.arange(40) < 25
    (told, _) = stress_of(
        *(unchanged, unchanged.references[rows], rows, changed),
        kind="mask",
        level=1,
        unit="",
        permit=permit,
    )
    everybody, *groups = told.groups
    assert (everybody.failures.errors, everybody.failures.trials) == (15, 25)
    assert sum(group.failures.trials for group in groups) == int(
        (unchanged.partitions[0].codes[:25] != UNKNOWN).sum()
    )


def test_nothing_found_after_the_change(permit: Permit) -> None:
    unchanged = drawn(12, seed=2)
    none = np.zeros(0, np.int32)
    told = stress_of(
        *(unchanged, unchanged.references[none], none, np.ones(12, np.bool_)),
        kind="mask",
        level=1,
        unit="",
        permit=permit,
    )
    everybody = told[0].groups[0]
    assert everybody.failures.rate == 1
    assert everybody.fmr.trials == everybody.fnmr.trials == 0


def test_pairs_by_the_years_between() -> None:
    unchanged = drawn(60, seed=3)
    rng = np.random.default_rng(4)
    years = rng.integers(1980, 2010, 60).astype(np.float64)
    years[:5] = np.nan
    scores = np.einsum(
        "ij,ij->i",
        unchanged.references[unchanged.genuine_a],
        unchanged.references[unchanged.genuine_b],
    )
    told = [each for each in years_apart(unchanged, scores, years) if each.fmr_target == 1e-2]
    gaps = np.abs(years[unchanged.genuine_a] - years[unchanged.genuine_b])
    assert sum(each.groups[0].fnmr.trials for each in told) == np.isfinite(gaps).sum()
    ends = [*(each.level for each in told), np.inf]
    for each in told:
        upper = min(edge for edge in (*stress.GAP_EDGES, np.inf) if edge > each.level)
        inside = (gaps >= each.level) & (gaps < upper)
        assert each.groups[0].fnmr.trials == inside.sum()
        assert each.groups[0].fnmr.errors == (scores[inside] < AT.score).sum()
        assert each.groups[0].fmr.trials == 0
    assert ends == sorted(ends)


def test_nothing_is_compared_without_a_permit() -> None:
    unchanged = drawn(5, seed=1)
    rows = np.arange(5, dtype=np.int32)
    nothing: Permit = None  # type: ignore[assignment]
    with pytest.raises(PermitError):
        stress_of(
            *(unchanged, unchanged.references, rows, np.ones(5, np.bool_)),
            kind="mask",
            level=1,
            unit="",
            permit=nothing,
        )


def test_without_an_error_people_count_once_and_not_in_both_directions(permit: Permit) -> None:
    people = 40
    vectors = np.repeat(np.eye(people, dtype=np.float32), 2, axis=0)
    subjects = np.repeat(np.arange(people, dtype=np.int32), 2)
    unchanged = Unchanged(
        references=vectors,
        subjects=subjects,
        genuine_a=np.arange(0, 2 * people, 2, dtype=np.int32),
        genuine_b=np.arange(1, 2 * people, 2, dtype=np.int32),
        partitions=(),
        thresholds=(AT,),
        bootstrap=SubjectBootstrap(subjects, replicates=50),
    )
    rows, changed = np.arange(2 * people, dtype=np.int32), np.ones(2 * people, np.bool_)
    (told,) = stress_of(
        *(unchanged, vectors, rows, changed), kind="mask", level=1, unit="", permit=permit
    )
    missed = told.groups[0].fnmr
    assert (missed.errors, missed.trials) == (0, 2 * people)
    assert missed.high == pytest.approx(wilson(0, people)[1])
