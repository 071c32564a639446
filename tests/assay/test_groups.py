"""Which groups count, and what is said of those that do not."""

from __future__ import annotations

import numpy as np
import pytest

from rightface.assay.cells import Cells
from rightface.assay.cohorts import Column
from rightface.assay.comparisons import Comparisons
from rightface.assay.counts import Axis
from rightface.assay.groups import Judge
from rightface.assay.operating import Threshold
from rightface.assay.result import Partition

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
