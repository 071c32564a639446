"""How sure a rate is: Wilson's interval, intervals from replicates, and when a number is too small.

Turns counts into the pieces of the assay's document. Values only: never knows images, templates,
who is who, or how the replicates were drawn (see `bootstrap`).

Sources: E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
JASA 22 (1927) 209-212; G. R. Doddington et al., "The NIST speaker recognition evaluation",
Speech Communication 31 (2000) 225-254 (the rule of 30); B. D. Jovanovic and P. S. Levy, "A look at
the rule of three", The American Statistician 51 (1997) 137-139.
"""

from __future__ import annotations

from math import isfinite, sqrt
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rightface.assay.errors import AssayError
from rightface.assay.result import Rate

CONFIDENCE = 0.95
RULE_OF_30 = 30
"""With 30 errors the rate lies within ±30 % of the true one at 90 % confidence (Doddington)."""
FEWEST_SUBJECTS = 10
"""Our own floor: an interval over fewer people rests on too few draws to be believed."""
SUSPECT = "Too small to count, yet"
"""How a reason begins that is followed by what was seen all the same."""
FEWEST_SUSPECT = 3
"""Our own: one or two matches of a small group are told in its rate, and are no warning."""
FEWEST_GENUINE = 30
"""Our own floor: by the rule of three, no error in 30 shows no more than a rate below 10 %."""

Replicates: TypeAlias = NDArray[np.float64]
"""(B,) or (B, groups): a figure in each bootstrap replicate; NaN where it was not defined."""


def wilson(errors: int, trials: int) -> tuple[float, float]:
    """Wilson's score interval at 95 % for a share, for independent trials (Wilson 1927).

    With no error in n trials its upper end is z²/(n + z²), about 3.8/n: the two-sided fellow of
    the rule of three.

    Raises:
        AssayError: no trials, or more errors than trials.
    """
    if not 0 <= errors <= trials or trials == 0:
        raise AssayError("An interval needs trials, and no more errors than trials.")
    return wilson_at(errors / trials, trials)


def wilson_at(share: float, trials: float, level: float = CONFIDENCE) -> tuple[float, float]:
    """Wilson's score interval at any level, of so many trials or as many as they are worth."""
    z = NormalDist().inv_cdf(0.5 + level / 2)
    extra = z * z / trials
    centre = (share + extra / 2) / (1 + extra)
    half = z / (1 + extra) * sqrt(share * (1 - share) / trials + extra / trials / 4)
    low = 0.0 if share == 0 else max(0.0, centre - half)
    high = 1.0 if share == 1 else min(1.0, centre + half)
    return low, high


def rate(
    errors: int,
    trials: int,
    replicates: Replicates | None = None,
    *,
    ends: tuple[float, float] | None = None,
    independent: int | None = None,
    units: int | None = None,
    too_few: str = "",
) -> Rate:
    """A share with its interval.

    With `replicates` (B,) the interval is their 2.5 % to 97.5 %, never narrower than Wilson's:
    trials that share people cannot tell more than as many independent ones. Without them, or where
    no error (or nothing but errors) was seen, so that replicates are all alike, it is Wilson's.
    `ends`: these two points, where the replicates were not kept; not numbers: there were none.
    `independent`: as how many trials they count for it, if they repeat one another.
    `units`: how many people (or pairs of people) the trials are of. Where replicates are all alike
    nothing shows how much trials of the same ones repeat one another: so many count, no more.
    """
    if trials == 0:
        return Rate(
            errors=0,
            trials=0,
            rate=None,
            low=None,
            high=None,
            method="none",
            too_few=too_few or "There was nothing to compare.",
        )
    alike = independent or trials
    if units and errors in (0, trials):
        alike = min(alike, units)
    low, high = wilson_at(errors / trials, alike)
    if replicates is not None and 0 < errors < trials:
        ends = percentiles(replicates)
    drawn = ends is not None and isfinite(ends[0]) and 0 < errors < trials
    if drawn and ends is not None:
        low, high = min(low, ends[0]), min(1.0, max(high, ends[1]))
    return Rate(
        errors=errors,
        trials=trials,
        rate=errors / trials,
        low=low,
        high=high,
        method="subject-bootstrap" if drawn else "wilson",
        too_few=too_few,
    )


def percentiles(replicates: Replicates) -> tuple[float, float]:
    """The 2.5 % and 97.5 % points of those replicates that are numbers.

    Raises:
        AssayError: none is.
    """
    known = replicates[np.isfinite(replicates)]
    if not known.size:
        raise AssayError("Not one replicate is a number.")
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(known, (tail, 1 - tail))
    return float(low), float(high)


def too_few_impostors(
    trials: int,
    subjects: int | None,
    fmr: float,
    *,
    pairs: int | None = None,
    errors: int = 0,
) -> str:
    """Why so many impostor comparisons cannot speak about a false match rate of `fmr`; else empty.

    The rule of 30: 30 errors must be expected of a group that is as others are, and of as many
    `pairs` of people: many photographs of two people who look alike are one error many times. What
    was seen in the group decides nothing: else a small group would count only if it is bad. But
    where clearly more `errors` were seen than asked for, that is said (`SUSPECT`); for that warning
    comparisons count one by one. `subjects`: the people compared. Both None: the data does not say
    who is who.
    """
    few = "There was nothing to compare." if trials == 0 else _too_few_people(subjects)
    counted = trials if pairs is None else min(trials, pairs)
    if not few and counted * fmr < RULE_OF_30 * (1 - 1e-12):
        what = "comparisons" if counted == trials else "pairs of people"
        few = f"{counted:,} {what}: fewer than {RULE_OF_30} matches are expected at {fmr:g}."
    if few and errors >= FEWEST_SUSPECT and wilson(errors, trials)[0] > fmr:
        return f"{few} {SUSPECT} {errors:,} matched: look at it."
    return few


def too_few_genuine(trials: int, subjects: int | None) -> str:
    """Why so many genuine comparisons cannot speak about a false non-match rate; else empty.

    It looks at how many there are, never at how many were missed.
    """
    if trials == 0:
        return "There was nothing to compare."
    if few := _too_few_people(subjects):
        return few
    if trials < FEWEST_GENUINE:
        return f"Only {trials} comparisons; at least {FEWEST_GENUINE} are asked for."
    return ""


def _too_few_people(subjects: int | None) -> str:
    if subjects is None or subjects >= FEWEST_SUBJECTS:
        return ""
    people = "1 person" if subjects == 1 else f"{subjects} people"
    return f"Only {people}; at least {FEWEST_SUBJECTS} are asked for."
