"""The ACLU's test on one's own photographs: searches of people who are not in the gallery.

Every probe is searched for in the whole gallery, at thresholds that were set beforehand by the
model pack's calibration: as for 1:1, and as a gallery of that size needs. Whether somebody is in
both sets is not known here (labels are numbers); photographs that are the same, byte by byte, are
left out, and very high scores are counted, to be looked at. Never knows files or HTTP.

Sources: the ACLU's post (see `aclu`); ISO/IEC 19795-1 (FPIR).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rightface.assay.bootstrap import SubjectBootstrap
from rightface.assay.cohorts import UNKNOWN, Column
from rightface.assay.errors import AssayError
from rightface.assay.intervals import rate, too_few_genuine
from rightface.assay.permits import Standing, require_step
from rightface.assay.result import Rate
from rightface.assay.thresholds import fmr_needed, require_target
from rightface.errors import SettingsError
from rightface.faces.calibration import Calibration, fmr_of_similarity, similarity
from rightface.faces.packs import Vectors
from rightface.permit import Touch

DEFAULT_SIMILARITY = 80.0
"""The default of Rekognition's CompareFaces and SearchFaces, and of the ACLU's test."""
ONE_PERSON_FMR = 1e-8
"""Scores beyond the one for this rate may be of people who are in both sets."""
_PROBES_AT_ONCE = 512
_REFERENCES_AT_ONCE = 8192


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A threshold, set before anything was searched for."""

    name: str
    fmr: float
    """What one comparison may have, by the calibration."""
    score: float
    similarity: float
    """0..100, on rightface's scale."""
    extrapolated: bool
    cohort: str = ""
    """The measured cohort that set it; empty: everybody."""


@dataclass(frozen=True)
class Found:
    """What the searches found: P probes, T thresholds."""

    best: NDArray[np.float32]
    """(P,): the highest score of each search."""
    above: NDArray[np.int64]
    """(P, T): how many of the gallery scored at least the threshold."""


@dataclass(frozen=True, kw_only=True)
class GroupFound:
    """One cohort of the probes at one threshold."""

    column: str
    group: str
    fpir: Rate


@dataclass(frozen=True, kw_only=True)
class SettingFound:
    """What one threshold came to."""

    setting: Setting
    fpir: Rate
    matches: int
    """Pairs of probe and gallery face that matched."""
    fmr: float
    """Of one comparison, as measured."""
    expected_fpir: float
    """1 − (1 − FMR)^N by the calibration's FMR, if comparisons were independent."""
    not_as_expected: str
    """In words, where the interval of `fpir` does not hold `expected_fpir`; else empty."""
    groups: tuple[GroupFound, ...]


@dataclass(frozen=True, kw_only=True)
class OwnTest:
    """The whole test."""

    gallery_size: int
    searches: int
    at: tuple[SettingFound, ...]
    threshold_found: float | None
    """The least score at which these searches stay within the target; None: they are too few."""
    similarity_found: float | None
    target_fpir: float
    perhaps_one_person: int
    """Searches whose best score lies beyond the one for ONE_PERSON_FMR."""
    warnings: tuple[str, ...]


def settings(
    calibration: Calibration, gallery_size: int, fpir: float, fmr: Sequence[float] = ()
) -> tuple[Setting, ...]:
    """The default of 1:1, the rates asked for, and what the gallery needs for `fpir`.

    Raises:
        SettingsError: a rate does not lie between 0 and 1.
    """
    require_target(fpir)
    if not all(0 < each < 1 for each in fmr):
        raise SettingsError("--fmr must lie between 0 and 1.", mend="For example 0.001.")
    needed = fmr_needed(fpir, gallery_size)
    named = [(f"similarity {DEFAULT_SIMILARITY:g}", fmr_of_similarity(DEFAULT_SIMILARITY))]
    named += [(f"FMR {each:g}", each) for each in fmr]
    named += [(f"FPIR {fpir:g} of {gallery_size:,}, for everybody", needed)]
    told = []
    for name, each in named:
        score = calibration.score_at(each)
        told.append(
            Setting(
                name=name,
                fmr=each,
                score=score,
                similarity=similarity(each),
                extrapolated=score > calibration.table.last_score,
            )
        )
    worst = calibration.worst_threshold(needed)
    told.append(
        Setting(
            name=f"FPIR {fpir:g} of {gallery_size:,}, for the worst cohort",
            fmr=needed,
            score=worst.score,
            similarity=similarity(calibration.rate(worst.score).fmr),
            extrapolated=worst.extrapolated,
            cohort=worst.cohort,
        )
    )
    return tuple(told)


def search(
    probes: Vectors, gallery: Vectors, scores: Sequence[float], *, permit: Standing
) -> Found:
    """Search `gallery` (N, d) for each of `probes` (P, d), at the thresholds `scores`.

    Raises:
        PermitError, Refused: `permit` does not cover SEARCH, or not to the end.
        AssayError: there is nothing to search, or for; a template is no number.
    """
    require_step(permit, Touch.SEARCH)
    if not len(probes) or not len(gallery):
        raise AssayError("A search needs somebody to search for, and a gallery.")
    if not (np.isfinite(probes).all() and np.isfinite(gallery).all()):
        raise AssayError("Some templates are no numbers.")
    cuts = np.asarray(scores, np.float32)
    best = np.full(len(probes), -np.inf, np.float32)
    above = np.zeros((len(probes), len(cuts)), np.int64)
    for at in range(0, len(probes), _PROBES_AT_ONCE):
        some = slice(at, at + _PROBES_AT_ONCE)
        for start in range(0, len(gallery), _REFERENCES_AT_ONCE):
            require_step(permit, Touch.SEARCH)
            block = probes[some] @ gallery[start : start + _REFERENCES_AT_ONCE].T
            np.maximum(best[some], block.max(axis=1), out=best[some])
            for place, cut in enumerate(cuts):
                above[some, place] += np.count_nonzero(block >= cut, axis=1)
    return Found(best, above)


def own_test(
    found: Found,
    set_at: Sequence[Setting],
    calibration: Calibration,
    *,
    subjects: NDArray[np.int32],
    columns: Sequence[Column],
    gallery_size: int,
    target_fpir: float,
) -> OwnTest:
    """FPIR at every threshold, over all and by cohort of the probes.

    Args:
        found: what `search` found at the settings' scores.
        set_at: the settings, in that order.
        calibration: of the comparison that was searched with.
        subjects: (P,): whose the probes are; UNKNOWN: a person each.
        columns: the probes' cohorts, codes (P,).
        gallery_size: how many were searched.
        target_fpir: for `threshold_found`.
    """
    try:
        bootstrap: SubjectBootstrap | None = SubjectBootstrap(subjects)
    except AssayError:
        bootstrap = None
    warnings = [
        "Nobody searched for is taken to be in the gallery. Look whether that is so: it decides "
        "what a match means."
    ]
    if bootstrap is None:
        warnings.append("There are too few people for intervals over people.")
    everybody = Column(("",), ("",), np.zeros(len(found.best), np.int16))
    told = []
    for place, each in enumerate(set_at):
        hit = found.above[:, place] > 0
        matches = int(found.above[:, place].sum())
        fpir = _fpirs(hit, everybody, subjects, bootstrap)[0]
        expected = -math.expm1(gallery_size * math.log1p(-each.fmr))
        groups = tuple(
            GroupFound(column=" × ".join(column.names), group=name, fpir=of_group)
            for column in columns
            for name, of_group in zip(
                column.values, _fpirs(hit, column, subjects, bootstrap), strict=True
            )
        )
        told.append(
            SettingFound(
                setting=each,
                fpir=fpir,
                matches=matches,
                fmr=matches / (len(hit) * gallery_size),
                expected_fpir=expected,
                not_as_expected=_not_as_expected(fpir, expected, each),
                groups=groups,
            )
        )
    score = threshold_for(found.best, target_fpir)
    suspect = calibration.score_at(ONE_PERSON_FMR)
    perhaps = int((found.best >= suspect).sum())
    if perhaps:
        warnings.append(
            f"{perhaps} searches scored beyond an FMR of {ONE_PERSON_FMR:g}: see whether these "
            "people are in both sets."
        )
    if score is None:
        warnings.append(
            f"{len(found.best)} searches are too few to find a threshold for an FPIR of "
            f"{target_fpir:g}."
        )
    return OwnTest(
        gallery_size=gallery_size,
        searches=len(found.best),
        at=tuple(told),
        threshold_found=score,
        similarity_found=None if score is None else similarity(calibration.rate(score).fmr),
        target_fpir=target_fpir,
        perhaps_one_person=perhaps,
        warnings=tuple(warnings),
    )


def _not_as_expected(fpir: Rate, expected: float, setting: Setting) -> str:
    """Fewer than expected is no wonder at a threshold that was set for the worst cohort."""
    if fpir.low is None or fpir.high is None or fpir.low <= expected <= fpir.high:
        return ""
    if fpir.low > expected:
        return (
            f"More searches matched wrongly ({fpir.low:.2%} or more) than the calibration lets "
            f"expect ({expected:.2%}). It was measured on other photographs: people who are alike, "
            "or photographed alike, match more often, and so do those who are in both sets. Trust "
            "what was found here, not the calibration."
        )
    if setting.cohort:
        return ""
    return (
        f"Fewer searches matched wrongly ({fpir.high:.2%} or less) than the calibration lets "
        f"expect ({expected:.2%}). It was measured on other photographs, and what is expected "
        "takes comparisons of one probe as independent."
    )


def threshold_for(best: NDArray[np.float32], fpir: float) -> float | None:
    """The least score beyond which no more than a share `fpir` of the searches have theirs.

    None where fewer than one search may be wrong: then nothing of theirs can show it.
    """
    allowed = int(fpir * len(best) + 1e-9)
    if allowed < 1:
        return None
    highest = np.sort(best)[::-1]
    return float(np.nextafter(highest[min(allowed, len(best) - 1)], np.float32(np.inf)))


def _fpirs(
    hit: NDArray[np.bool_],
    column: Column,
    subjects: NDArray[np.int32],
    bootstrap: SubjectBootstrap | None,
) -> list[Rate]:
    count = len(column.values)
    rows = np.arange(len(hit))
    drawn = (
        None
        if bootstrap is None
        else bootstrap.listed(rows, rows, hit, column.codes.astype(np.int64), count).replicates
    )
    told = []
    for group in range(count):
        inside = column.codes == group
        known = subjects[inside]
        people = len(np.unique(known[known != UNKNOWN])) + int((known == UNKNOWN).sum())
        trials = int(inside.sum())
        told.append(
            rate(
                int(hit[inside].sum()),
                trials,
                None if drawn is None else drawn[:, group],
                units=people,
                too_few=too_few_genuine(trials, people),
            )
        )
    return told
