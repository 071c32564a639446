"""Step 5: whether the model's error rates were measured, and the findings cited are on record.

What is needed stands in one table (`law/evidence.py`); a licence may set a stricter limit on how
unequal the groups are. Of all evidence that stands for the pack in use:

    1. One is recent and large enough for this operation and this gallery: in pairs and in people.
    2. One that is recent says how often one person is missed; it may be another.
    3. Where the differential has a limit: one recent measurement, over enough groups of the kind
       that is asked for, at a rate near the one that the gallery works at, lies inside it with its
       whole interval; and none lies outside it with its whole interval. A better measurement hides
       no bad one. An interval without an upper end ("at least 520 times") reaches past every limit;
       so does a group that is too small to count, yet was matched so often.

An act on a match rests on findings: one that cannot be traced to its origin counts as none, and
refuses.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Literal

from rightface.law.evidence import (
    DIFFERENTIAL_FMR,
    REQUIREMENTS,
    SMALL_GALLERY,
    Differential,
    Evidence,
    Requirement,
    is_recent,
    most_faces,
    pairs_needed,
    requirement,
)
from rightface.law.findings import shown
from rightface.law.ruling import Reason, StepResult
from rightface.law.splits import ATTRIBUTES, answers
from rightface.law.steps.reasons import outcome_of, own_reason
from rightface.law.world import CONSENT, Records, World

LAW_ENFORCEMENT = "law-enforcement"
_ADD = "rightface evidence add ASSAY.json."


def check(world: World) -> StepResult:
    """The evidence behind a comparison or an identification, or behind an act on a match."""
    operation, records = world.operation, world.records
    row = needed(world)
    if operation.action == "erase" or (row is None and not operation.findings):
        return StepResult(step=5, outcome="pass", note="None is needed: nobody is compared.")
    if records is None:
        return StepResult(
            step=5, outcome="left-out", note="No client is named: evidence is left out."
        )
    reasons = list(_untraced(records))
    notes = []
    if operation.findings:
        notes.append(f"The findings cited amount to: {records.other_evidence}.")
    if row is not None:
        notes.append(f"The model was measured well enough: {row.name}.")
        notes += _caveats(row, records)
        reasons += shortfalls(row, records, world.day)
    return outcome_of(5, reasons, " ".join(notes))


def needed(world: World) -> Requirement | None:
    """The row of the table that applies to the operation; None: it needs no evidence."""
    words = world.library.vocabulary
    return requirement(
        world.operation.action,
        law_enforcement=any(
            LAW_ENFORCEMENT in words.groups_of(judged.actor) for judged in world.chain
        ),
        by_consent=world.basis == CONSENT,
        faces=0 if world.records is None else world.records.faces,
    )


def _untraced(records: Records) -> Iterator[Reason]:
    for one in records.provenance.unknown:
        yield own_reason(
            5,
            "evidence",
            "unknown-finding",
            f"The finding {shown(one)} is not on record for this client, or what it was derived"
            " from is not.",
            "Put it on record with its parents: rightface finding record.",
            citation="rightface: a match is only a lead",
        )


def shortfalls(row: Requirement, records: Records, day: date) -> Iterator[Reason]:
    """What the evidence on record lacks on that day for a row of the table, and its licence."""
    if records.evidence_damaged:  # it may have been one that tells against it
        yield _reason(
            row,
            "damaged",
            f"A record of a measurement is damaged: {records.evidence_damaged[0]}.",
            f"End it, then add it anew: rightface evidence end {records.evidence_damaged[0]}"
            " --reason damaged.",
        )
    least = pairs_needed(row, records.faces)
    recent = [one for one in records.evidence if is_recent(one, row.oldest_years, day)]
    if not any(one.impostor_pairs >= least and one.people >= row.people for one in recent):
        yield _reason(
            row,
            "accuracy",
            _too_little(row, records.evidence, least, day),
            f"Measure the model in use on at least {least:,} impostor pairs of {row.people:,}"
            f" people, every {row.oldest_years} years, and put it on record: {_ADD}",
        )
    if recent and not any(one.genuine_pairs >= row.genuine_pairs for one in recent):
        most = max(one.genuine_pairs for one in recent)
        yield _reason(
            row,
            "genuine",
            f"How often one person is missed rests on {most:,} pairs of one person;"
            f" {row.genuine_pairs:,} are needed here, in one recent measurement.",
            f"Measure people of whom there are two photographs, and put it on record: {_ADD}",
        )
    limits = [row.limit, None if records.licence is None else records.licence.differential_limit]
    stated = [limit for limit in limits if limit is not None]
    if stated:
        yield from _differential(row, recent, min(stated), records.faces)


@dataclass(frozen=True, kw_only=True)
class Use:
    """What one measurement by itself is for one row of the table."""

    rule: str
    verdict: Literal["enough", "in-part", "too-little", "against"]
    """`in-part`: large and recent enough, and does not say all of the rest that the row asks.
    `against`: it refuses, whatever else is on record."""
    most_faces: int | None
    """The largest gallery that it is large enough for; None: the row does not ask."""
    lacks: tuple[str, ...]
    """In words; empty: it is enough."""


def uses(one: Evidence, day: date) -> tuple[Use, ...]:
    """What a measurement is worth on that day, for each row of the table, of the least gallery."""
    return tuple(_use(one, row, day) for row in REQUIREMENTS)


def _use(one: Evidence, row: Requirement, day: date) -> Use:
    faces = SMALL_GALLERY + 1 if row.name == "large-consented" else 0
    reasons = list(shortfalls(row, Records(licence=None, evidence=(one,), faces=faces), day))
    lacking = {reason.rule for reason in reasons}
    told = one.differential
    against = (
        row.limit is not None
        and told is not None
        and told.fmr_target <= DIFFERENTIAL_FMR
        and told.low > row.limit
        and is_recent(one, row.oldest_years, day)
    )
    verdict: Literal["enough", "in-part", "too-little", "against"] = "enough"
    if against:
        verdict = "against"
    elif "accuracy" in lacking:
        verdict = "too-little"
    elif reasons:
        verdict = "in-part"
    return Use(
        rule=row.name,
        verdict=verdict,
        most_faces=_most_faces(one, row),
        lacks=tuple(reason.text for reason in reasons),
    )


def _most_faces(one: Evidence, row: Requirement) -> int | None:
    if not row.pairs_per_face:
        return None
    by_pairs = one.impostor_pairs // row.pairs_per_face
    told = one.differential
    return by_pairs if told is None else min(by_pairs, most_faces(told.fmr_target))


def _caveats(row: Requirement, records: Records) -> Iterator[str]:
    """What the measurements do not say of a gallery of this size."""
    rates = [one.differential.fmr_target for one in records.evidence if one.differential]
    if row.limit is not None and rates and records.faces * min(rates) > 1:
        yield (
            f"Its groups were compared at a false match rate of {min(rates):g}; {records.faces:,}"
            " faces are searched at a stricter one, where groups are further apart."
        )


def _differential(
    row: Requirement, recent: list[Evidence], limit: float, faces: int
) -> Iterator[Reason]:
    found = [
        (one.differential, one)
        for one in recent
        if one.differential is not None and one.differential.fmr_target <= DIFFERENTIAL_FMR
    ]
    groups = max(row.groups, 2)
    by = " × ".join(row.attributes) or " or ".join(ATTRIBUTES)
    of_people = [
        (each, one)
        for each, one in found
        if any(answers(split, row.attributes) and split.groups >= groups for split in one.splits)
    ]
    near = [(each, one) for each, one in of_people if faces <= most_faces(each.fmr_target)]
    enough = [(each, one) for each, one in near if _small_times(one) <= limit]
    bad = [(each, one.named) for each, one in found if each.low > limit]
    if bad:
        worst, source = max(bad, key=lambda each: each[0].value)
        yield _reason(
            row,
            "differential",
            f"Different people of one group match {_times(worst)} as often as those of another"
            f" ({source}); at most {limit:g} times is allowed here.",
            "Use a pack, a score normalisation or a threshold that treats groups more alike"
            f" (rightface assay equalise), measure it, and put it on record: {_ADD}",
        )
    elif not of_people:
        yield _reason(
            row,
            "differential",
            f"How unequally the model treats groups is not on record, for at least {groups} groups"
            f" by {by}, each of enough people; at most {limit:g} times is allowed here.",
            f"Measure people of several groups by {by} ({_command(row)}), and put it on record:"
            f" {_ADD}",
        )
    elif not near:
        rate = min(each.fmr_target for each, _ in of_people)
        yield _reason(
            row,
            "differential",
            f"Groups were compared at a false match rate of {rate:g}, which says nothing of more"
            f" than {most_faces(rate):,} faces; this gallery has {faces:,}.",
            "Put it on record at a stricter rate: rightface evidence add ASSAY.json --fmr RATE.",
        )
    elif not enough:
        _, one = min(near, key=lambda each: _small_times(each[1]))
        small = max(one.splits, key=lambda split: split.small_times)
        yield _reason(
            row,
            "differential",
            f"The group {small.small_group} ({' × '.join(small.columns)}) is too small to count,"
            f" yet matched {small.small_times:.3g} times as often as the best ({one.named}); at"
            f" most {limit:g} times is allowed here.",
            f"Measure more people of that group, and put it on record: {_ADD}",
        )
    elif all(_high(each) > limit for each, _ in enough):
        best = min((each for each, _ in enough), key=_high)
        yield _reason(
            row,
            "differential",
            f"Different people of one group match {_times(best)} as often as those of another; that"
            f" this is at most {limit:g} times, as is allowed here, is not shown.",
            f"Measure more people of each group, and put it on record: {_ADD}",
        )


def _small_times(one: Evidence) -> float:
    """The worst of its groups that are too small to count, over the best that counts."""
    return max((split.small_times for split in one.splits), default=0.0)


def _command(row: Requirement) -> str:
    crossed = len(row.attributes) > 1
    return f"rightface assay run {'--cross COLUMN,COLUMN' if crossed else '--cohort COLUMN'}"


def _times(told: Differential) -> str:
    if told.high is None:
        return f"at least {told.value:.3g} times (95 %: from {told.low:.3g}, without an upper end)"
    return f"{told.value:.3g} times (95 %: {told.low:.3g} to {told.high:.3g})"


def _high(told: Differential) -> float:
    return math.inf if told.high is None else told.high


def _too_little(row: Requirement, evidence: tuple[Evidence, ...], least: int, day: date) -> str:
    if not evidence:
        return "The error rates of the model in use are not on record."
    recent = [one for one in evidence if is_recent(one, row.oldest_years, day)]
    if recent:
        most = max(one.impostor_pairs for one in recent)
        if most >= least:
            people = max(one.people for one in recent if one.impostor_pairs >= least)
            return (
                f"The error rates rest on pairs of {people:,} people; that is too few:"
                f" {row.people:,} are needed here."
            )
        return (
            f"The error rates rest on {most:,} pairs of different people; that is too few:"
            f" {least:,} are needed here."
        )
    newest = max(one.measured_on for one in evidence)
    if newest > day:
        return f"The error rates were measured on {newest} only."
    return (
        f"The error rates were measured on {newest}; that is too long ago: more than"
        f" {row.oldest_years} years."
    )


def _reason(row: Requirement, rule: str, text: str, change: str) -> Reason:
    return own_reason(
        5,
        "evidence",
        rule,
        text,
        change,
        citation=f"ISO/IEC 19795-1; rightface evidence rules: {row.name}",
        duty="accuracy-evidence",
    )
