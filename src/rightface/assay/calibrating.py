"""A calibration from beginning to end: data sets, a model pack, what its scores stand for.

    1. Photographs become templates, of each set by itself (`run.gather`).
    2. Where the pack's normalisation was fitted on a set, its cohorts are compared by fits without
       the people compared (`cross_fit`): a fit flatters its own people.
    3. Everybody is compared with everybody, but for sets that are kept apart (`impostors`).
    4. Tables, tails and intervals: for everybody, and for each cohort (`calibration_document`).

Never knows a command line, HTTP, or where permits come from.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import reduce
from typing import Any

from rightface.assay.calibration_document import MeasuredSet, PackTold, document
from rightface.assay.cohorts import UNKNOWN, Column, cross
from rightface.assay.cross_fit import cross_fit
from rightface.assay.equalise import Method
from rightface.assay.errors import AssayError
from rightface.assay.held_back import HeldBack, held_back
from rightface.assay.impostors import Compared, Sample, compare
from rightface.assay.permits import Permitted
from rightface.assay.run import Bench, Material, Stage
from rightface.assay.thresholds import Genuine
from rightface.faces.calibration import Calibration, Provenance
from rightface.faces.packs import ModelPack, shipped_pack
from rightface.faces.rate_table import RateTable, Tail

EVERYBODY = "everybody"
IN_SAMPLE = (
    "{}: the score normalisation was fitted on these people; that flatters them in the table for "
    "everybody."
)


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """What was found."""

    document: dict[str, Any]
    """What `Calibration.from_json` reads."""
    calibration: Calibration
    genuine: tuple[Genuine, ...]
    """Of everybody, then of each cohort."""
    held_back: tuple[HeldBack, ...] = ()


def uncalibrated(comparison: str) -> ModelPack:
    """The shipped pack before anything is known of its scores; nothing reads its calibration."""
    told = Provenance(
        pack_digest="",
        data_sets=(),
        impostor_pairs=0,
        genuine_pairs=0,
        measured_on=date(1970, 1, 1),
        smallest_fmr=1.0,
        caveats=(),
    )
    table = RateTable([(-1.0, 1.0), (1.0, 0.1)], Tail(0.0, 1.0))
    return shipped_pack(Calibration(table, told), comparison)


def told_of(pack: ModelPack) -> PackTold:
    """How the document names a pack and its comparison."""
    return PackTold(
        id=pack.id,
        digest=pack.digest,
        comparison=pack.comparison,
        comparison_digest=pack.comparison_digest,
    )


def calibrate(
    materials: Sequence[Material],
    bench: Bench,
    told: PackTold,
    *,
    columns: Collection[str] | None = None,
    apart: Collection[frozenset[str]] = (),
    on: date,
    seed: int = 0,
    judge: bool = False,
    stage: Stage = lambda *_: None,
) -> Calibrated:
    """What the scores of the pack stand for, measured on those data sets.

    Args:
        materials: the sets with their templates.
        bench: what measures.
        told: how the pack is named in the document.
        columns: cohorts are the crosses of those of these columns that a set has; None: of all.
        apart: names of sets that show the same people under different labels.
        on: the day.
        seed: of the resampling.
        judge: fit tails to parts of the people too, and judge them by all.
        stage: told of progress.

    Raises:
        Refused: the gate does not allow it.
        AssayError: a set that is to be kept apart is not there, or two sets have one name.
        CalibrationError: the comparisons are too few, or all alike.
    """
    names = [one.manifest.statement.name for one in materials]
    if len(set(names)) < len(names):
        raise AssayError("Two data sets have the same name.", mend="Name one in dataset.toml.")
    unknown = sorted({name for pair in apart for name in pair} - set(names))
    if unknown:
        raise AssayError(
            f"There is no data set '{unknown[0]}' to keep apart.",
            mend=f"The sets are {', '.join(names)}.",
        )
    samples = [
        crossed(sample_of(one, columns), bench.pack, bench.permitted, on=on, stage=stage)
        for one in materials
    ]
    stage("comparisons", 0, 2)
    compared = compare(bench.pack, samples, apart=apart, permitted=bench.permitted)
    stage("comparisons", 1, 2)
    made = document(
        told,
        [_measured(one) for one in materials],
        compared,
        on=on,
        caveats=[
            *(each for one in materials for each in _caveats(one)),
            *(
                IN_SAMPLE.format(one.name)
                for one in samples
                if one.crossed and one.people is not None
            ),
        ],
        cross_fitted=[one.name for one in samples if one.crossed],
        seed=seed,
    )
    stage("comparisons", 2, 2)
    calibration = Calibration.from_json(made)
    judged: tuple[HeldBack, ...] = ()
    if judge:
        judged = held_back(
            bench.pack, samples, calibration.table, apart=apart, permitted=bench.permitted
        )
    return Calibrated(
        document=made, calibration=calibration, genuine=_of_one_person(compared), held_back=judged
    )


def sample_of(one: Material, columns: Collection[str] | None = None) -> Sample:
    """A set's templates; its cohorts are the crosses of those of these columns that it has.

    None: of all.
    """
    rows = one.acquired.rows
    found = [
        Column(each.names, each.values, each.codes[rows])
        for name, each in one.manifest.columns.items()
        if columns is None or name in columns
    ]
    return Sample(
        name=one.manifest.statement.name,
        templates=one.acquired.templates,
        people=one.subjects if (one.subjects != UNKNOWN).any() else None,
        cohorts=reduce(cross, found) if found else None,
    )


def crossed(
    one: Sample,
    pack: ModelPack,
    permitted: Permitted,
    *,
    on: date,
    stage: Stage = lambda *_: None,
) -> Sample:
    """The set, with fits without the people compared if the pack's normalisation was fitted on it.

    Raises:
        Refused: the gate does not allow it.
        AssayError: the normalisation was fitted otherwise than this release fits, or a part of the
            set is too small to fit on.
    """
    normalisation = pack.normalisation
    if normalisation is None or one.cohorts is None:
        return one
    if one.name not in {each.rpartition(": ")[0] for each in normalisation.fitted.data_sets}:
        return one
    if normalisation.fitted.method != Method().told:
        raise AssayError(
            "The score normalisation in use was fitted otherwise than this release fits.",
            why="Its scores of people that it was fitted on are measured by fits without them.",
            mend="Fit it anew: rightface assay equalise.",
        )
    made = cross_fit(
        one.templates,
        one.cohorts.codes,
        Method(),
        subjects=one.subjects,
        permitted=permitted,
        on=on,
        progress=lambda done, total: stage("fits", done, total),
    )
    return replace(one, crossed=made)


def _measured(one: Material) -> MeasuredSet:
    known = one.subjects[one.subjects != UNKNOWN]
    return MeasuredSet(
        name=one.manifest.statement.name,
        images=len(one.acquired.rows),
        without_face=int(one.failed.sum()),
        people=len(set(known.tolist())) or None,
    )


def _caveats(one: Material) -> list[str]:
    return [f"{one.manifest.statement.name}: {each}" for each in one.manifest.statement.caveats]


def _of_one_person(compared: Compared) -> tuple[Genuine, ...]:
    return (
        Genuine(EVERYBODY, compared.genuine),
        *(Genuine(one.name, one.genuine) for one in compared.cohorts if len(one.genuine)),
    )
