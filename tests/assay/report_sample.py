"""A rich assay made of seeded synthetic scores: for the report's tests and for looking at it.

Every rate is counted from drawn scores. `python -m tests.assay.report_sample FILE` writes it; with
`--raw` its groups are less equal.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rightface.assay.differentials import GroupRates, differentials
from rightface.assay.intervals import rate, too_few_genuine, too_few_impostors, wilson
from rightface.assay.result import (
    FMR_TARGETS,
    Assay,
    CrossMatrix,
    CurvePoint,
    DataSet,
    Differential,
    Discard,
    DiscardPoint,
    Exclusion,
    Group,
    Identification,
    Measured,
    OperatingPoint,
    Partition,
    Prediction,
    RankPoint,
    Rate,
    SearchPoint,
    Stress,
    StressGroup,
    Suspicion,
    TenFold,
    Value,
    Verification,
)

Scores = NDArray[np.float64]
SHAPES = ("round", "square")
COLOURS = ("amber", "blue", "green", "red")
GROUPS = tuple(f"{colour} · {shape}" for colour, shape in product(COLOURS, SHAPES))
PEOPLE = (60, 75, 55, 70, 40, 8, 210, 190)
"""In each of GROUPS; one of them is too small to say anything from."""
IMPOSTORS, GENUINE = 60_000, 700
NOTHING_GIVEN = Rate(errors=0, trials=0, rate=None, low=None, high=None, method="none")


class _Draw:
    """Scores of every pair of groups, drawn once."""

    def __init__(self, seed: int, crowding: float) -> None:
        made = np.random.default_rng(seed)
        near = {"amber": 1.0, "green": 0.8, "blue": 0.5, "red": 0.1}
        self.impostor: dict[tuple[str, str], Scores] = {}
        for one, other in product(GROUPS, GROUPS):
            if (other, one) in self.impostor:
                self.impostor[one, other] = self.impostor[other, one]
                continue
            colours, shapes = zip(one.split(" · "), other.split(" · "), strict=True)
            middle = crowding * (near[colours[0]] + near[colours[1]]) / 2
            middle += 0.12 * (colours[0] == colours[1]) + 0.15 * (shapes[0] == shapes[1])
            middle += crowding * 0.15 * (shapes == ("square", "square"))
            count = (
                300 if 8 in {PEOPLE[GROUPS.index(one)], PEOPLE[GROUPS.index(other)]} else IMPOSTORS
            )
            self.impostor[one, other] = made.normal(middle, 1.0, count)
        self.genuine = {
            name: made.normal(
                5.1 + 0.3 * crowding * near[name.split(" · ")[0]],
                1.0,
                40 if people == 8 else GENUINE,
            )
            for name, people in zip(GROUPS, PEOPLE, strict=True)
        }
        self.made = made

    def pairs(self) -> list[tuple[str, str]]:
        return [(one, other) for one, other in product(GROUPS, GROUPS) if one <= other]

    def impostors(self, names: Sequence[str]) -> Scores:
        return np.concatenate([self.impostor[p] for p in self.pairs() if {*p} <= {*names}])

    def genuines(self, names: Sequence[str]) -> Scores:
        return np.concatenate([self.genuine[name] for name in names])


def _at_least(
    scores: Scores, threshold: float, *, people: int | None = None, target: float = 1.0
) -> Rate:
    few = too_few_impostors(len(scores), people, target)
    return rate(int((scores >= threshold).sum()), len(scores), too_few=few)


def _below(scores: Scores, threshold: float, *, people: int | None = None) -> Rate:
    few = too_few_genuine(len(scores), people)
    return rate(int((scores < threshold).sum()), len(scores), too_few=few)


def _curve(impostor: Scores, genuine: Scores, steps: Scores) -> tuple[CurvePoint, ...]:
    return tuple(
        CurvePoint(
            score=float(score),
            fmr=float((impostor >= score).mean()),
            fnmr=float((genuine < score).mean()) if len(genuine) else None,
        )
        for score in steps
    )


def _points(
    impostor: Scores,
    genuine: Scores,
    thresholds: dict[float, float | None],
    people: int | None = None,
) -> tuple[OperatingPoint, ...]:
    return tuple(
        OperatingPoint(
            fmr_target=target,
            threshold=threshold,
            fmr=NOTHING_GIVEN
            if threshold is None
            else _at_least(impostor, threshold, people=people, target=target),
            fnmr=NOTHING_GIVEN if threshold is None else _below(genuine, threshold, people=people),
        )
        for target, threshold in thresholds.items()
    )


def _partition(
    drawn: _Draw,
    columns: tuple[str, ...],
    name_of: Callable[[str], str],
    thresholds: dict[float, float | None],
    steps: Scores,
) -> Partition:
    names = sorted({name_of(name) for name in GROUPS})
    members = {name: [one for one in GROUPS if name_of(one) == name] for name in names}
    groups = []
    for name in names:
        impostor, genuine = drawn.impostors(members[name]), drawn.genuines(members[name])
        people = sum(PEOPLE[GROUPS.index(one)] for one in members[name])
        groups.append(
            Group(
                name=name,
                labels=dict(zip(columns, name.split(" · "), strict=True)),
                subjects=people,
                images=people * 4,
                failures=rate(people // 40, people * 4),
                genuine=len(genuine),
                impostor=len(impostor),
                curve=_curve(impostor, genuine, steps),
                at=_points(impostor, genuine, thresholds, people),
                too_few=too_few_genuine(len(genuine), people),
            )
        )
    cross: list[CrossMatrix] = []
    measures: list[Differential] = []
    for target, threshold in thresholds.items():
        if threshold is None:
            continue
        rates = []
        for one in names:
            row = []
            for other in names:
                pairs = [p for p in drawn.pairs() if {name_of(p[0]), name_of(p[1])} == {one, other}]
                scores = np.concatenate([drawn.impostor[p] for p in pairs])
                row.append(_at_least(scores, threshold, target=target))
            rates.append(tuple(row))
        cross.append(
            CrossMatrix(
                fmr_target=target, threshold=threshold, groups=tuple(names), rates=tuple(rates)
            )
        )
        measures += _measures(groups, target, threshold)
    return Partition(
        columns=columns,
        groups=tuple(groups),
        unlabelled=12,
        cross=tuple(cross),
        differentials=tuple(measures),
    )


def _measures(groups: list[Group], target: float, threshold: float) -> tuple[Differential, ...]:
    points = [at for group in groups for at in group.at if at.fmr_target == target]

    def sided(rates: list[Rate]) -> GroupRates:
        return GroupRates(
            tuple(group.name for group in groups),
            np.array([one.errors for one in rates], np.int64),
            np.array([one.trials for one in rates], np.int64),
            too_few=tuple(one.too_few for one in rates),
        )

    fmr, fnmr = sided([at.fmr for at in points]), sided([at.fnmr for at in points])
    return differentials(fmr, fnmr, fmr_target=target, threshold=threshold)


def _searching(
    drawn: _Draw, impostor: Scores, genuine: Scores, thresholds: dict[float, float | None]
) -> tuple[tuple[Identification, ...], tuple[Prediction, ...]]:
    found, predicted = [], []
    sizes = (10, 30, 100, 300, 1000)
    searches = 2000
    for size in sizes:
        best = drawn.made.choice(impostor, (searches, size)).max(axis=1)
        own = drawn.made.choice(genuine, searches)
        beaten = np.sort(drawn.made.choice(impostor, (searches, size - 1)), axis=1)
        place = 1 + (beaten > own[:, None]).sum(axis=1)
        found.append(
            Identification(
                gallery_size=size,
                mated_searches=searches,
                non_mated_searches=searches,
                at=tuple(
                    SearchPoint(
                        fmr_target=target,
                        threshold=threshold,
                        fpir=_at_least(best, threshold),
                        fnir=_below(own, threshold),
                    )
                    for target, threshold in thresholds.items()
                    if threshold is not None
                ),
                ranks=tuple(
                    RankPoint(rank=rank, hit=rate(int((place <= rank).sum()), searches))
                    for rank in (1, 5, 20)
                ),
            )
        )
    for target, threshold in thresholds.items():
        if threshold is None:
            continue
        match = _at_least(impostor, threshold).rate or 0.0
        for size in (300, 1000, 25_000, 1_000_000, 3_000_000_000):
            value = 1 - (1 - match) ** size
            held = [one for one in found if one.gallery_size == size]
            measured = [at.fpir.rate for one in held for at in one.at if at.fmr_target == target]
            predicted.append(
                Prediction(
                    gallery_size=size,
                    fmr_target=target,
                    threshold=threshold,
                    fpir=Value(
                        value=value,
                        low=1 - (1 - match * 0.7) ** size,
                        high=1 - (1 - match * 1.4) ** size,
                    ),
                    held_back=bool(held),
                    measured=measured[0] if measured else None,
                )
            )
    return tuple(found), tuple(predicted)


def _stressed(drawn: _Draw, threshold: float, target: float) -> tuple[Stress, ...]:
    kinds = {
        "mask": ((1.0,), "covered"),
        "blur": ((1.0, 2.0, 4.0, 8.0), "pixels"),
        "noise": ((5.0, 10.0, 20.0, 40.0), "of 255"),
        "rotation": ((-30.0, -15.0, 0.0, 15.0, 30.0), "degrees"),
    }
    hurt = {"mask": 1.6, "blur": 0.25, "noise": 0.03, "rotation": 0.02}
    found = []
    for kind, (levels, unit) in kinds.items():
        for level in levels:
            groups = []
            for name in ("", *GROUPS):
                names = [name] if name else list(GROUPS)
                genuine = drawn.genuines(names)
                lost = hurt[kind] * abs(level) * (1.3 if "square" in name else 1.0)
                groups.append(
                    StressGroup(
                        columns=("colour", "shape") if name else (),
                        name=name,
                        failures=rate(int(abs(level)), 4 * GENUINE),
                        fmr=_at_least(drawn.impostors(names), threshold),
                        fnmr=_below(genuine - lost, threshold),
                    )
                )
            found.append(
                Stress(
                    kind=kind,
                    level=level,
                    unit=unit,
                    fmr_target=target,
                    threshold=threshold,
                    groups=tuple(groups),
                )
            )
    return tuple(found)


def _discarded(
    drawn: _Draw, genuine: Scores, threshold: float, target: float
) -> tuple[Discard, ...]:
    found = []
    for quality, worth in (("sharpness", 0.7), ("brightness", 0.1), ("eye_distance", 0.4)):
        told = worth * genuine + (1 - worth) * drawn.made.normal(0, 1, len(genuine))
        ordered = genuine[np.argsort(told)]
        points = [
            DiscardPoint(
                discarded=share, fnmr=_below(ordered[int(share * len(ordered)) :], threshold)
            )
            for share in (0.0, 0.02, 0.05, 0.1, 0.15, 0.2)
        ]
        found.append(Discard(quality=quality, fmr_target=target, points=tuple(points)))
    return tuple(found)


def _equal_errors(impostor: Scores, genuine: Scores) -> Value:
    steps = np.linspace(0.0, 6.0, 600)
    apart = [abs(float((impostor >= s).mean() - (genuine < s).mean())) for s in steps]
    share = float((genuine < steps[int(np.argmin(apart))]).mean())
    low, high = wilson(round(share * len(genuine)), len(genuine))
    return Value(value=share, low=low, high=high)


def _ten_fold(impostor: Scores, genuine: Scores) -> TenFold:
    """As many pairs of each kind, each fold judged at the threshold that is best on the others."""
    count = len(genuine) // 10 * 10
    folds = np.stack([genuine[:count].reshape(10, -1), impostor[:count].reshape(10, -1)])
    steps = np.linspace(1.0, 4.0, 200)
    kept = (folds[0] >= steps[:, None, None]).mean(-1)
    right = (kept + (folds[1] < steps[:, None, None]).mean(-1)) / 2
    best = [int(np.argmax(np.delete(right, fold, 1).mean(1))) for fold in range(10)]
    found = [float(right[step, fold]) for fold, step in enumerate(best)]
    return TenFold(
        accuracy=float(np.mean(found)),
        standard_error=float(np.std(found, ddof=1) / 10**0.5),
        folds=10,
        pairs=2 * count,
        without_face=0,
    )


def sample(seed: int = 11, *, crowding: float = 0.35) -> Assay:
    """The assay; more `crowding` makes the groups less equal."""
    drawn = _Draw(seed, crowding)
    impostor, genuine = drawn.impostors(GROUPS), drawn.genuines(GROUPS)
    ordered = np.sort(impostor)
    thresholds: dict[float, float | None] = {
        target: float(ordered[-int(target * len(ordered))]) if target * len(ordered) >= 10 else None
        for target in FMR_TARGETS
    }
    steps = np.linspace(float(np.quantile(impostor, 0.5)), float(ordered[-3]), 160)
    searches, predictions = _searching(drawn, impostor, genuine, thresholds)
    target = 1e-3
    threshold = thresholds[target]
    assert threshold is not None
    return Assay(
        software="rightface 0.1.0",
        made_at=datetime(2026, 11, 22, 12, 0, tzinfo=UTC),
        measured=Measured(
            kind="model-pack",
            name="synthetic scores",
            pack_digest="5c" * 32,
            comparison="equalised" if crowding < 0.5 else "raw",
            comparison_digest="a1" * 32,
        ),
        data=DataSet(
            name="drawn from normal distributions",
            digest="0f" * 32,
            rows=2874,
            images=2832,
            subjects=sum(PEOPLE),
            columns={
                "shape": {"round": 1460, "square": 1360, "": 12},
                "colour": {"amber": 540, "blue": 500, "green": 192, "red": 1588, "": 12},
            },
            exclusions=(
                Exclusion(reason="the image is missing", count=30, rows=(4, 18, 99)),
                Exclusion(reason="the row stands twice", count=12, rows=(7, 8)),
            ),
            suspicions=(
                Suspicion(what="two people may be one: their photographs match", rows=(12, 480)),
            ),
            licence="none: drawn numbers",
            caveats=("These are drawn numbers, of no people", "the groups' sizes are invented"),
        ),
        failures=rate(19, 2832),
        verification=Verification(
            genuine=len(genuine),
            impostor=len(impostor),
            curve=_curve(impostor, genuine, steps),
            at=_points(impostor, genuine, thresholds),
            eer=_equal_errors(impostor, genuine),
            ten_fold=_ten_fold(drawn.made.permutation(impostor), drawn.made.permutation(genuine)),
        ),
        partitions=(
            _partition(drawn, ("shape",), lambda one: one.split(" · ")[1], thresholds, steps),
            _partition(drawn, ("colour",), lambda one: one.split(" · ")[0], thresholds, steps),
            _partition(drawn, ("colour", "shape"), lambda one: one, thresholds, steps),
        ),
        identification=searches,
        predictions=predictions,
        discards=_discarded(drawn, genuine, threshold, target),
        stress=_stressed(drawn, threshold, target),
        warnings=("12 photographs have no label of colour or shape",),
    )


if __name__ == "__main__":
    made = sample(crowding=1.2 if "--raw" in sys.argv else 0.35)
    Path(sys.argv[1]).write_text(made.model_dump_json(indent=1), "utf-8")
