"""Which groups count, and what is said of those that do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from rightface.assay.cells import Cells
from rightface.assay.cohorts import Column
from rightface.assay.comparisons import Comparisons, GenuineScores
from rightface.assay.counts import Axis
from rightface.assay.groups import Images, Judge
from rightface.assay.intervals import wilson
from rightface.assay.leads import LOWEST, Leads
from rightface.assay.operating import Threshold
from rightface.assay.result import Partition

TRUTH = 0.05
NAMES = ("even", "odd", "few")
AT = Threshold(1e-3, 0.5)


def judged(impostors: dict[str, tuple[int, int]]) -> tuple[Partition, tuple[str, ...]]:
    """Of so many matches in so many impostor comparisons in each group, and 100 genuine ones."""
    scores, same, groups = [], [], []
    for number, name in enumerate(NAMES):
        matches, trials = impostors[name]
        scores.append(np.repeat([0.9, 0.1, 0.95], [matches, trials - matches, 100]))
        same.append(np.repeat([False, True], [trials, 100]))
        groups.append(np.full(trials + 100, number, np.int16))
    codes = np.arange(3, dtype=np.int16)
    column = Column(("kind",), NAMES, codes)
    block = np.concatenate(scores).astype(np.float32), np.concatenate(same)
    placed = np.concatenate(groups)
    compared = Comparisons.from_scores(
        [(*block, placed, placed)], group_count=3, axis=Axis.between(0.0, 1.0, 3)
    )
    judge = Judge(compared, None, Cells((column,), codes, 3, (codes,)))
    return judge.partition(0, [AT]), tuple(judge.warnings)


@pytest.mark.parametrize(("matches", "trials"), [(900, 5_000), (0, 5_000), (29_000, 29_999)])
def test_a_small_group_counts_in_no_ratio_however_bad(matches: int, trials: int) -> None:
    part, _ = judged({"even": (50, 10**5), "odd": (150, 10**5), "few": (matches, trials)})
    (worst,) = (
        one for one in part.differentials if (one.measure, one.of) == ("worst-over-best", "fmr")
    )
    assert worst.left_out == ("few",)
    assert (worst.worst, worst.best, worst.value.value) == ("odd", "even", 3)


def test_a_group_that_is_large_enough_counts_however_good() -> None:
    part, warnings = judged({"even": (50, 10**5), "odd": (150, 10**5), "few": (0, 30_000)})
    worst = part.differentials[0]
    assert (worst.best, worst.left_out) == ("few", ())
    assert not [one for one in warnings if "too small" in one]


def test_a_small_group_with_many_errors_is_told_apart() -> None:
    part, warnings = judged({"even": (50, 10**5), "odd": (150, 10**5), "few": (900, 5_000)})
    few = part.groups[2].at[0].fmr
    assert few.too_few.endswith("yet 900 matched: look at it.")
    assert part.cross[0].rates[2][2].too_few == few.too_few
    (said,) = (one for one in warnings if "too small" in one)
    assert "few (900 of 5,000 where 0.001 was asked for)" in said
    _, warnings = judged({"even": (50, 10**5), "odd": (150, 10**5), "few": (6, 5_000)})
    assert not [one for one in warnings if "too small" in one]


def of_few(people: int, photographs: int, seed: int, *, all_pairs: bool = True) -> Partition:
    """One group of so many people; two of them look alike in all their photographs, or in none."""
    rng = np.random.default_rng(seed)
    subjects = np.repeat(np.arange(people, dtype=np.int32), photographs)
    alike = np.triu(rng.random((people, people)) < TRUTH, 1)
    a, b = (each.astype(np.int32) for each in np.triu_indices(len(subjects), 1))
    same = subjects[a] == subjects[b]
    scores = np.where(same | alike[subjects[a], subjects[b]], 0.9, 0.1).astype(np.float32)
    codes = np.zeros(len(subjects), np.int16)
    column = Column(("kind",), ("all",), codes)
    compared = replace(
        Comparisons.from_scores(
            [(scores, same, codes[a], codes[b])], group_count=1, axis=Axis.between(0.0, 1.0, 1)
        ),
        genuine=GenuineScores(scores[same], a[same], b[same]),
        leads=Leads(scores[~same], a[~same], b[~same], LOWEST),
    )
    judge = Judge(compared, subjects, Cells((column,), codes, 1, (codes,)), all_pairs=all_pairs)
    return judge.partition(0, [AT], images=_with_nobody_seen(subjects))


def _with_nobody_seen(subjects: NDArray[np.int32]) -> Images:
    """Those photographs, and two of somebody of whom no photograph gave a face."""
    everybody = np.append(subjects, np.repeat(subjects.max() + 1, 2)).astype(np.int32)
    column = Column(("kind",), ("all",), np.zeros(len(everybody), np.int16))
    return Images(column, everybody, np.arange(len(everybody)) >= len(subjects))


def test_people_of_a_group_are_those_on_its_photographs_whose_face_was_found_or_not() -> None:
    (group,) = of_few(people=10, photographs=3, seed=1).groups
    assert (group.subjects, group.images) == (11, 32)
    assert group.failures is not None
    assert group.failures.errors == 2


@pytest.mark.parametrize(("people", "photographs"), [(10, 12), (16, 6)])
def test_intervals_of_few_people_with_many_photographs_hold_the_truth(
    people: int, photographs: int
) -> None:
    worlds, held = 60, 0
    for seed in range(worlds):
        told = of_few(people, photographs, seed).groups[0].at[0].fmr
        assert told.low is not None and told.high is not None
        held += told.low <= TRUTH <= told.high
        assert f"{people * (people - 1) // 2} pairs of people: fewer than 30" in told.too_few
    assert held >= 0.87 * worlds


@pytest.mark.parametrize("all_pairs", [True, False])
def test_where_no_error_was_seen_people_count_and_not_photographs(all_pairs: bool) -> None:
    seed = next(each for each in range(100) if not of_few(10, 5, each).groups[0].at[0].fmr.errors)
    part = of_few(10, 5, seed, all_pairs=all_pairs)
    told = part.groups[0].at[0]
    assert (told.fmr.trials, told.fnmr.trials) == (45 * 25, 100)
    assert told.fmr.high == wilson(0, 45)[1]
    assert told.fnmr.high == wilson(0, 10)[1]
    assert "45 pairs of people" in part.groups[0].too_few
    assert part.cross[0].rates[0][0] == told.fmr
