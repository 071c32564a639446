"""What an assay found: one document, the same for files, reports, cards and evidence.

Every rate carries its errors, its trials and an interval; what is too small to say says so. Rates
are shares, 0..1. `format` grows when a field changes its meaning. Words of ISO/IEC 19795-1.
Never knows where the document lies or who asks.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

FORMAT = 1
FMR_TARGETS = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
"""The false match rates that every assay looks at, as far as its comparisons reach."""


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Rate(_Told):
    """So many errors in so many trials."""

    errors: int = Field(ge=0)
    trials: int = Field(ge=0)
    rate: float | None
    """None where there was no trial."""
    low: float | None
    high: float | None
    """The interval's ends at 95 %; None where none can be given."""
    method: Literal["wilson", "subject-bootstrap", "none"]
    too_few: str = ""
    """Why this is too little to say anything from; empty if it is not."""


class Value(_Told):
    """A figure that is no share, with its interval at 95 %."""

    value: float | None
    """None where it is not defined (see `note`)."""
    low: float | None
    high: float | None
    note: str = ""


class CurvePoint(_Told):
    """What would be wrong at one threshold."""

    score: float
    fmr: float
    fnmr: float | None


class OperatingPoint(_Told):
    """What happens at the threshold that a target false match rate sets.

    In a group's list the threshold is the one set on everybody: that is how groups differ.
    """

    fmr_target: float
    threshold: float | None
    """None where the comparisons are too few to show that rate."""
    fmr: Rate
    fnmr: Rate


class TenFold(_Told):
    """LFW's protocol: each fold judged at the threshold that is best on the others."""

    accuracy: float
    standard_error: float
    folds: int
    pairs: int
    """Pairs of which both faces were found; the rest count as told to be different people."""
    without_face: int
    stated: bool = True
    """Whether the table of pairs says which fold each is in; else it was cut in equal parts, in its
    order."""


class Verification(_Told):
    """Everybody with everybody: 1:1."""

    genuine: int = Field(ge=0)
    impostor: int = Field(ge=0)
    curve: tuple[CurvePoint, ...]
    """Thresholds ascending, at most 200; for DET curves."""
    at: tuple[OperatingPoint, ...]
    eer: Value
    ten_fold: TenFold | None = None


class Group(_Told):
    """One cohort: those with one value, or one of a cross of values."""

    name: str
    """The values in the order of the partition's columns, joined by " · "."""
    labels: dict[str, str]
    subjects: int | None = Field(ge=0)
    """People of whom there is a photograph, with a face or without, as in `images`; None where the
    data set does not say who is who."""
    images: int = Field(ge=0)
    failures: Rate | None
    """Failures to acquire; None where only scores were given."""
    genuine: int = Field(ge=0)
    impostor: int = Field(ge=0)
    """Comparisons within the group."""
    curve: tuple[CurvePoint, ...]
    at: tuple[OperatingPoint, ...]
    too_few: str = ""


class CrossMatrix(_Told):
    """How often members of one group match members of another, at one threshold."""

    fmr_target: float
    threshold: float
    groups: tuple[str, ...]
    rates: tuple[tuple[Rate, ...], ...]
    """Row, column: by `groups`; symmetric."""


Measure = Literal[
    "worst-over-best",
    "max-over-geometric-mean",
    "gini",
    "garbe",
    "inequity-rate",
    "fairness-discrepancy-rate",
    "lowest-true-match-rate",
]


class Differential(_Told):
    """How unequal the groups are, by one measure at one threshold."""

    measure: Measure
    of: Literal["fmr", "fnmr", "both"]
    fmr_target: float
    threshold: float
    value: Value
    chance: float | None = None
    """What it comes to, half the time, between groups of these sizes that are equal in truth: the
    worst of noisy rates reads too high. None where it does not look at how equal they are."""
    worst: str = ""
    """The group with the highest rate; empty where the measure looks at all alike."""
    best: str = ""
    groups: tuple[str, ...]
    """The groups that count in it."""
    left_out: tuple[str, ...] = ()
    """The groups that are too small to count."""


class Partition(_Told):
    """The data set split by one column, or by the cross of several."""

    columns: tuple[str, ...]
    groups: tuple[Group, ...]
    unlabelled: int
    """Images with no value in one of the columns; they are in no group here."""
    cross: tuple[CrossMatrix, ...]
    differentials: tuple[Differential, ...]


class SearchPoint(_Told):
    """An identification at one threshold."""

    fmr_target: float | None
    threshold: float
    fpir: Rate
    fnir: Rate


class RankPoint(_Told):
    """How often the person searched for is among the first so many candidates."""

    rank: int
    hit: Rate


class SearchGroup(_Told):
    """Searches of one cohort's people, in everybody's gallery at everybody's thresholds."""

    columns: tuple[str, ...]
    name: str
    at: tuple[SearchPoint, ...]
    rank_one: Rate
    """How often the person searched for is the first candidate."""


class Identification(_Told):
    """One against many, open set: searches of people who are enrolled and of people who are not."""

    gallery_size: int
    mated_searches: int
    non_mated_searches: int
    at: tuple[SearchPoint, ...]
    ranks: tuple[RankPoint, ...]
    groups: tuple[SearchGroup, ...] = ()
    """By the group of who is searched for; of the largest gallery alone."""


class Prediction(_Told):
    """What a larger gallery would do, from what smaller ones did."""

    gallery_size: int
    fmr_target: float
    threshold: float
    fpir: Value
    held_back: bool
    """The size was measured too: `measured` is what was found, to judge the prediction by."""
    measured: float | None = None


class DiscardPoint(_Told):
    """Error versus discard: what the worst photographs, left out, would have cost."""

    discarded: float
    """0..1: the share of photographs left out, the lowest quality first."""
    fnmr: Rate


class Discard(_Told):
    """The curve of one measure of quality."""

    quality: str
    fmr_target: float
    points: tuple[DiscardPoint, ...]


class StressGroup(_Told):
    """What a change to the photographs does to one group; `name` is empty for everybody."""

    columns: tuple[str, ...] = ()
    name: str = ""
    failures: Rate
    fmr: Rate
    fnmr: Rate


class Stress(_Told):
    """The same photographs as probes again, changed; the references are unchanged."""

    kind: str
    level: float
    """What it means is said in `unit`."""
    unit: str
    fmr_target: float
    threshold: float
    groups: tuple[StressGroup, ...]


class Exclusion(_Told):
    """What was left out of the data set, and why. Rows and exclusions add up."""

    reason: str
    count: int
    rows: tuple[int, ...] = ()
    """The first few rows of the manifest (the first after the heading is 1)."""


class Suspicion(_Told):
    """Labels that look wrong. Nothing was changed for it."""

    what: str
    rows: tuple[int, ...]


class StatedPairs(_Told):
    """The table of pairs that came with a manifest."""

    rows: int
    used: int
    """`rows` less all `exclusions`."""
    exclusions: tuple[Exclusion, ...]
    """Their rows are those of the table of pairs."""


class DataSet(_Told):
    """What was measured on."""

    name: str
    digest: str
    """Hex SHA-256 over the manifest's rows and every image's bytes, or the file of scores."""
    rows: int
    rows_are: Literal["images", "comparisons"] = "images"
    """What a row stands for: a photograph, or (of scores alone) one comparison."""
    images: int
    """Rows that were used: `rows` less all `exclusions`. Here, in `columns` and in groups they are
    what `rows_are` says."""
    subjects: int | None
    columns: dict[str, dict[str, int]]
    """Column → value → images; the empty value counts those without one."""
    exclusions: tuple[Exclusion, ...]
    pairs: StatedPairs | None = None
    suspicions: tuple[Suspicion, ...] = ()
    not_checked: tuple[str, ...] = ()
    """What was not looked through for wrong labels, and why; so no suspicion says nothing of it."""
    licence: str = ""
    may_show: bool = False
    """Whether its licence lets a report show photographs of it."""
    caveats: tuple[str, ...] = ()


class Measured(_Told):
    """What was measured."""

    kind: Literal["model-pack", "scores", "service"]
    name: str
    pack_digest: str = ""
    """Of the model pack; empty if none of ours."""
    comparison: str = ""
    """`raw`, or the name of the score normalisation."""
    comparison_digest: str = ""
    detector_side: int | None = None
    """Pixels of the longest side at which faces were looked for; None where it was not told."""


class Assay(_Told):
    """One run."""

    format: Literal[1] = 1
    software: str
    """rightface and its version."""
    made_at: datetime
    measured: Measured
    data: DataSet
    failures: Rate | None
    """Failures to acquire over all."""
    verification: Verification
    partitions: tuple[Partition, ...] = ()
    identification: tuple[Identification, ...] = ()
    predictions: tuple[Prediction, ...] = ()
    discards: tuple[Discard, ...] = ()
    stress: tuple[Stress, ...] = ()
    warnings: tuple[str, ...] = ()
    """Sentences for whoever reads the figures: what is too small, what was assumed."""
