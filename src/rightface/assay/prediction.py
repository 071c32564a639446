"""What galleries larger than the measured ones would do, and how far that can be believed.

    1. Fit every family of `mixtures` to the largest gallery of at most a quarter of the largest.
    2. Compare what each says of the larger galleries, held back, with what they did.
    3. Choose the family with the least error; the others that come close count in the interval.
    4. Fit again to the largest gallery, and predict.
    5. Keep to what holds for every gallery drawn from one population: FPIR never falls as it grows,
       and −log(1 − FPIR) never grows faster than it. The interval's upper end is that limit.

Errors are factors in the number of effective comparisons: distances on the scale log(−log(1 −
FPIR)), where independent comparisons lie on a line of slope one over log N. Nothing measured on a
few thousand people can vouch for billions; the interval grows with every step beyond, and says so.
Values only: the searches were made by `identification`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, expm1, log, log1p, log10

import numpy as np

from rightface.assay.bootstrap import SubjectBootstrap
from rightface.assay.errors import AssayError
from rightface.assay.identification import CANDIDATES, NonMated
from rightface.assay.intervals import RULE_OF_30, percentiles
from rightface.assay.mixtures import FAMILIES, Floats, Material
from rightface.assay.result import Prediction, Value

PREDICTED = (10**4, 10**5, 10**6, 10**7, 10**8, 10**9, 3 * 10**9)
SMALLEST_FIT = 4 * CANDIDATES
"""A gallery's best candidates are a tail only if most of it scores lower."""
REPLICATES = 200
_MOST_WEIGHTS = 10_000_000
"""Searches times replicates, 80 MB each time that they are held; many searches get fewer."""
CLOSE = 2.0
"""A family whose held-back error is at most so many times the best one's is not ruled out."""
LEAST_ERROR = 0.05
"""Held-back errors below it (5 % of the comparisons) are not told apart: that is chance."""
TWO_SIDED = 1.96
_SURE = 1e-12


@dataclass(frozen=True)
class Predicted:
    """The predictions, and how each family did on the galleries that were held back."""

    predictions: tuple[Prediction, ...]
    family: str
    """The one chosen; empty if nothing could be predicted."""
    held_back_errors: dict[str, float]
    """Family → root mean square of the log factor by which it missed."""
    why_not: str = ""


def predict(
    searches: NonMated,
    bootstrap: SubjectBootstrap,
    targets: Sequence[float],
    *,
    sizes: Sequence[int] = PREDICTED,
) -> Predicted:
    """FPIR of larger galleries at each threshold of `searches`; `targets` are their FMR.

    `bootstrap`: of the rows that searched. Thresholds without one false candidate are told without
    a value. Only held-back galleries that showed 30 errors judge.

    Raises:
        AssayError: there are not as many targets as thresholds.
    """
    if len(targets) != len(searches.thresholds):
        raise AssayError("Each threshold of the searches needs its false match rate.")
    work = _Work(searches, bootstrap)
    if work.fitted is None:
        return Predicted((), "", {}, f"No gallery of {4 * SMALLEST_FIT} people was searched.")
    judged = [t for t in range(len(targets)) if work.errors(work.largest, t) >= RULE_OF_30]
    if not judged:
        return Predicted((), "", {}, f"No threshold showed {RULE_OF_30} errors.")
    errors = {name: work.held_back_error(name, judged) for name in FAMILIES}
    family = min(errors, key=lambda name: errors[name])
    limit = CLOSE * max(errors[family], LEAST_ERROR)
    close = {name: error for name, error in errors.items() if error <= limit}
    made = [
        prediction
        for t, target in enumerate(targets)
        for prediction in _told(work, t, target, family, close, sizes)
    ]
    return Predicted(tuple(made), family, errors)


class _Work:
    """The searches with every way of weighing them: once each, then by the people drawn."""

    def __init__(self, searches: NonMated, bootstrap: SubjectBootstrap) -> None:
        ways = min(REPLICATES, max(20, _MOST_WEIGHTS // len(searches.rows)))
        drawn = bootstrap.weights[bootstrap.person[searches.rows], :ways]
        once = np.ones((len(drawn), 1))
        self.weights: Floats = np.concatenate((once, drawn.astype(np.float64)), axis=1)
        self.searches = searches
        self.sizes = searches.sizes
        self.largest = len(self.sizes) - 1
        small = [k for k, size in enumerate(self.sizes) if 4 * size <= self.sizes[-1]]
        enough = [k for k in small if self.sizes[k] >= SMALLEST_FIT]
        self.fitted = enough[-1] if enough else None
        self.held_back = range((self.fitted or 0) + 1, len(self.sizes))

    def errors(self, k: int, t: int) -> int:
        return int((self.searches.counts[:, k, t] > 0).sum())

    def measured(self, k: int, t: int) -> float:
        return self.errors(k, t) / len(self.searches.rows)

    def drawn(self, k: int, t: int) -> Floats:
        """(W,): the measured FPIR under every way of weighing."""
        found = self.searches.counts[:, k, t] > 0
        return np.asarray(found @ self.weights / self.weights.sum(axis=0))

    def material(self, k: int, t: int, *, ways: int | None = None) -> Material:
        return Material(
            self.sizes[k],
            self.searches.thresholds[t],
            self.searches.counts[:, k, t],
            self.searches.best[:, k],
            self.weights[:, :ways],
        )

    def held_back_error(self, name: str, judged: Sequence[int]) -> float:
        """Root mean square of the log factor by which a family missed what was held back."""
        missed = []
        for t in judged:
            fpir = FAMILIES[name](self.material(self.fitted or 0, t, ways=1))
            missed += [
                _effective(float(fpir(self.sizes[k])[0])) - _effective(self.measured(k, t))
                for k in self.held_back
                if self.errors(k, t) >= RULE_OF_30
            ]
        return float(np.sqrt(np.mean(np.square(missed))))


def _told(
    work: _Work,
    t: int,
    target: float,
    family: str,
    close: dict[str, float],
    sizes: Sequence[int],
) -> list[Prediction]:
    """The predictions at one threshold: of the sizes held back, then of those never measured."""

    def prediction(size: int, fpir: Value, measured: float | None) -> Prediction:
        return Prediction(
            gallery_size=size,
            fmr_target=target,
            threshold=work.searches.thresholds[t],
            fpir=fpir,
            held_back=measured is not None,
            measured=measured,
        )

    fitted = work.fitted or 0
    beyond = sorted(size for size in sizes if size > work.sizes[-1])
    wanted: list[tuple[int, list[tuple[int, float | None]]]] = [
        (fitted, [(work.sizes[k], work.measured(k, t)) for k in work.held_back]),
        (work.largest, [(size, None) for size in beyond]),
    ]
    made: list[Prediction] = []
    for k, asked in wanted:
        if not work.errors(k, t):
            none = Value(value=None, low=None, high=None, note="No false candidate to go by.")
            made += [prediction(size, none, measured) for size, measured in asked]
            continue
        answers = {name: FAMILIES[name](work.material(k, t)) for name in close}
        lowest, highest = percentiles(work.drawn(k, t))
        for size, measured in asked:
            fpir = {name: answer(size) for name, answer in answers.items()}
            # Held-back sizes judge, so their intervals know nothing of what was held back.
            known = measured is not None
            growth = {name: 0.0 if known else _growth(work, close[name]) for name in close}
            told = _value(fpir, growth, family, size, work.sizes[k])
            fastest = _rate(_effective(highest) + log(size / work.sizes[k]))
            kept = _kept(told, lowest, fastest, reaching=not known)
            lowest = kept.low or 0.0
            made.append(prediction(size, kept, measured))
    return made


def _kept(told: Value, lowest: float, fastest: float, *, reaching: bool) -> Value:
    """Within what a smaller gallery reached, and what it would if all its probes were alike.

    `reaching`: up to the latter; no family can vouch that no crowd of look-alikes lies ahead.
    """
    low = min(max(told.low or 0.0, lowest), fastest)
    high = fastest if reaching or told.high is None else min(told.high, fastest)
    value = min(max(told.value or 0.0, low), max(low, high))
    return Value(value=value, low=low, high=max(low, high), note=told.note)


def _growth(work: _Work, error: float) -> float:
    """How much a held-back error grows for each factor e by which a gallery is larger."""
    fitted = work.sizes[work.fitted or 0]
    reach = [log(work.sizes[k] / fitted) for k in work.held_back]
    return max(error, LEAST_ERROR) / float(np.sqrt(np.mean(np.square(reach))))


def _value(
    fpir: dict[str, Floats], growth: dict[str, float], family: str, size: int, known: int
) -> Value:
    ends = {name: percentiles(rates) for name, rates in fpir.items()}
    low = min(
        _rate(_effective(ends[name][0]) - TWO_SIDED * growth[name] * log(size / known))
        for name in fpir
    )
    high = max(last for _, last in ends.values())
    note = f"By {family}, from {known:,} people."
    if len(fpir) > 1:
        note += " Close to it: " + ", ".join(sorted(set(fpir) - {family})) + "."
    if size >= 10 * known:
        note += f" 10^{log10(size / known):.1f} times what was measured: extrapolated."
    return Value(value=float(fpir[family][0]), low=low, high=high, note=note)


def _effective(fpir: float) -> float:
    """log(−log(1 − FPIR)): the log of how many false candidates independent probes would expect."""
    inside = min(max(fpir, _SURE), 1 - _SURE)
    return log(-log1p(-inside))


def _rate(effective: float) -> float:
    return -expm1(-exp(min(effective, 700.0)))
