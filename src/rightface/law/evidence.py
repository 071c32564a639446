"""What step 5 asks of the measurements behind an operation: one table, and what is held against it.

The table is `REQUIREMENTS`; the first row that applies counts. `rightface evidence rules` and
docs/evidence.md print it. Knows figures and words; never a data set, a score or a face.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from rightface.law.splits import Split, answers

SHIPPED = "shipped"
"""The source of a calibration; and who recorded what came with the model pack."""
SMALL_GALLERY = 1_000
"""Faces. A consented gallery up to this size has a milder row of its own."""
DIFFERENTIAL_FMR = 1e-3
"""The differential counts if it was measured at a threshold of this false match rate or stricter:
at laxer ones everybody matches everybody, and the groups look alike."""
FURTHEST = 100
"""And for galleries of up to so many over that rate, two powers of ten. A search of N faces works
at a false match rate of 1 in N at the laxest, and the stricter, the further apart groups are."""
LOWEST_TRUE_MATCH = "lowest_group_true_positive_permille"
WORST_OVER_BEST = "worst_group_false_match_times"
NO_UPPER_END = 1_000_000
"""What `WORST_OVER_BEST` is where it has no upper end: past every limit that a law sets."""
_ROUNDING = 1e-9  # 0.98 of a thousand is 980, however a computer writes 0.98


@dataclass(frozen=True, kw_only=True)
class Differential:
    """How unequal groups are: the worst group's false match rate over the best group's."""

    value: float
    low: float
    """The lower end of its interval at 95 %."""
    high: float | None
    """Its upper end. None: it has none, as where a group had no error; then it is "at least"."""
    fmr_target: float
    """The rate over all at whose threshold it was measured."""
    groups: int
    """How many groups count in it."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """A measurement of the model pack in use: when, on how many pairs, and how equal."""

    pack_digest: str
    measured_on: date
    impostor_pairs: int
    genuine_pairs: int
    people: int
    """Who were compared. Where a data set does not say who is who: its photographs."""
    comparison_digest: str = ""
    """Of the pack's score normalisation; empty: raw scores."""
    differential: Differential | None = None
    """None: not measured, or on too little to say."""
    splits: tuple[Split, ...] = ()
    """The ways in which the people were split into groups."""
    lowest_tmr: float | None = None
    """0..1: the true match rate of the group that is recognised worst, by the lower end of its
    interval at 95 %. None: not measured."""
    source: str = SHIPPED
    """The id of its record or document; of a calibration: `shipped`."""
    shipped: bool = True
    """Whether it came with the model pack; else an operator put it on record."""

    @property
    def named(self) -> str:
        """How it is called where it is told of."""
        if not self.shipped:
            return self.source
        return SHIPPED if self.source == SHIPPED else f"{self.source}, {SHIPPED}"


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """One row: what an operation on one kind of gallery needs."""

    name: str
    operation: str
    gallery: str
    """Which galleries, in words."""
    impostor_pairs: int
    """At least so many comparisons of different people."""
    pairs_per_face: int
    """And so many for each face of the gallery."""
    people: int
    """They are of at least so many people."""
    genuine_pairs: int
    """At least so many comparisons of one person; another measurement may have them."""
    oldest_years: int
    groups: int
    """The differential over at least so many groups; 0: it need not be measured."""
    attributes: tuple[str, ...]
    """And those are groups by all of these (`splits.ATTRIBUTES`)."""
    limit: float | None
    """How many times as often the worst group may match falsely; None: no limit of the table's."""
    why: str


REQUIREMENTS = (
    Requirement(
        name="live",
        operation="identify-live",
        gallery="any",
        impostor_pairs=10_000_000,
        pairs_per_face=100,
        people=2_000,
        genuine_pairs=3_000,
        oldest_years=1,
        groups=8,
        attributes=("sex", "race"),
        limit=2.0,
        why="A camera searches for everybody who passes, and nobody asked to be. Whom a false alarm"
        " stops must not hang on the group: at most twice as likely for one as for another.",
    ),
    Requirement(
        name="law-enforcement",
        operation="identify-1toN",
        gallery="any, where law enforcement asks or stands behind who asks",
        impostor_pairs=10_000_000,
        pairs_per_face=100,
        people=2_000,
        genuine_pairs=3_000,
        oldest_years=1,
        groups=8,
        attributes=("sex", "race"),
        limit=2.0,
        why="A false match can cost liberty: at most twice as likely for one group as for another,"
        " on a measurement of the last year.",
    ),
    Requirement(
        name="not-by-consent",
        operation="identify-1toN",
        gallery="on another legal basis than consent",
        impostor_pairs=10_000_000,
        pairs_per_face=100,
        people=2_000,
        genuine_pairs=3_000,
        oldest_years=2,
        groups=8,
        attributes=("sex", "race"),
        limit=3.0,
        why="Who did not agree cannot leave either. Three times is half a power of ten, so that one"
        " threshold means about the same rate for everybody.",
    ),
    Requirement(
        name="large-consented",
        operation="identify-1toN",
        gallery=f"by consent, more than {SMALL_GALLERY:,} faces",
        impostor_pairs=1_000_000,
        pairs_per_face=100,
        people=1_000,
        genuine_pairs=3_000,
        oldest_years=2,
        groups=4,
        attributes=("race",),
        limit=10.0,
        why="Ten times is one power of ten; NIST IR 8280 found factors of 10 to beyond 100 between"
        " groups. Four groups are the two by two of Gender Shades.",
    ),
    Requirement(
        name="small-consented",
        operation="identify-1toN",
        gallery=f"by consent, up to {SMALL_GALLERY:,} faces",
        impostor_pairs=100_000,
        pairs_per_face=0,
        people=450,
        genuine_pairs=300,
        oldest_years=2,
        groups=0,
        attributes=(),
        limit=None,
        why="100,000 pairs without a match show a false match rate below 3e-5 (95 %; rule of three,"
        " ISO/IEC 19795-1): in 1,000 faces, a false candidate in at most three searches of 100.",
    ),
    Requirement(
        name="verification",
        operation="verify-1to1",
        gallery="none: one face against one",
        impostor_pairs=3_000,
        pairs_per_face=0,
        people=80,
        genuine_pairs=300,
        oldest_years=3,
        groups=0,
        attributes=(),
        limit=None,
        why="3,000 pairs without a match show a false match rate below one in a thousand, which one"
        " comparison of a person who is there needs.",
    ),
)
"""Of each operation the strictest row first. 100 pairs for each face of a gallery: by the rule of
three a search of it then finds a false candidate in at most three of 100 searches.

People: pairs repeat them. A group shows 1 in 1,000 by the rule of 30 with 30,000 pairs, which are
different pairs of people from 246 people on: some 2,000 in eight groups, 1,000 in four. 100,000
different pairs of people are those of 448, and 3,000 those of 78.

Genuine pairs: 3,000 show by the rule of 30 how often people are missed, if it is once in a hundred;
300 without an error show that it is less. No limit is set: who is missed knows it, who is taken for
somebody else does not. But whoever runs it must have looked.
"""


MOST_YEARS = max(row.oldest_years for row in REQUIREMENTS)
"""How old a measurement may be of which an instrument asks: as old as any row allows. It is one
number for all operations, so that a stricter row never hides what tells against the model."""


def requirement(
    action: str, *, law_enforcement: bool, by_consent: bool, faces: int
) -> Requirement | None:
    """The row that applies; None: the operation needs no evidence.

    Args:
        action: an operation of the vocabulary.
        law_enforcement: whether anybody in the chain is.
        by_consent: whether the legal basis is the people's consent.
        faces: how many the gallery holds.
    """
    applies = {
        "live": True,
        "law-enforcement": law_enforcement,
        "not-by-consent": not by_consent,
        "large-consented": faces > SMALL_GALLERY,
        "small-consented": True,
        "verification": True,
    }
    for row in REQUIREMENTS:
        if row.operation == action and applies[row.name]:
            return row
    return None


def pairs_needed(row: Requirement, faces: int) -> int:
    """How many impostor pairs a row asks for, for a gallery of so many faces."""
    return max(row.impostor_pairs, row.pairs_per_face * faces)


def most_faces(fmr_target: float) -> int:
    """The largest gallery that groups speak for which were compared at that false match rate."""
    return round(FURTHEST / fmr_target)


def last_day(measured_on: date, years: int) -> date:
    """The last day on which a measurement is not older than so many years."""
    try:
        return measured_on.replace(year=measured_on.year + years)
    except ValueError:  # 29 February
        return measured_on.replace(year=measured_on.year + years, day=28)


def is_recent(one: Evidence, years: int, day: date) -> bool:
    """Whether it was measured by that day, and is not older on it than so many years."""
    return one.measured_on <= day <= last_day(one.measured_on, years)


def measured_facts(
    evidence: Iterable[Evidence], known: Mapping[str, object], day: date
) -> dict[str, int]:
    """What the evidence says of conditions that a rule may ask about, each at its worst.

    Args:
        evidence: what stands; of it, what is no older than `MOST_YEARS` counts. Where nothing of
            it is about groups of people (`splits.answers`), no group was measured.
        known: the conditions otherwise known; a lower true match rate on record stays.
        day: the day, in UTC, that is asked about.
    """
    told = [one for one in evidence if is_recent(one, MOST_YEARS, day)]
    facts: dict[str, int] = {}
    if not any(answers(split, ()) for one in told for split in one.splits):
        return facts
    lowest = [
        math.floor(1000 * one.lowest_tmr + _ROUNDING) for one in told if one.lowest_tmr is not None
    ]
    if lowest:
        recorded = known.get(LOWEST_TRUE_MATCH, -1)
        also = [recorded] if isinstance(recorded, int) and recorded >= 0 else []
        facts[LOWEST_TRUE_MATCH] = min([*lowest, *also])
    highest = [one.differential.high for one in told if one.differential is not None]
    if highest:
        facts[WORST_OVER_BEST] = max(
            NO_UPPER_END if high is None else math.ceil(high) for high in highest
        )
    return facts
