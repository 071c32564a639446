"""Everybody compared with everybody: what comes of n(n − 1)/2 comparisons, and of given scores.

Nothing is sampled. Of impostors each comparison is counted between its two groups, and the highest
are kept one by one; of genuine comparisons each is kept. Scores are inner products in float32: the
same two templates may differ by about a millionth from what another machine gives. Beyond that
nothing is rounded: counts, edges and thresholds agree (see `counts`).
Never knows images, names, or what a threshold means.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rightface.assay.blocks import Sorted
from rightface.assay.cohorts import UNKNOWN, Codes
from rightface.assay.counts import Axis, Counts
from rightface.assay.errors import AssayError
from rightface.assay.leads import LOWEST, Leads, by_rows
from rightface.assay.permits import Standing, require_step
from rightface.assay.stripes import Progress, Tally, run
from rightface.faces.packs import Vectors
from rightface.permit import Touch

LEADS = 2_000_000
MOST_GENUINE = 30_000_000
"""Genuine comparisons are kept one by one, twelve bytes each."""
_SAMPLE = 2048
_MORE = 1.5
"""Leads collected for each that is kept; what is dropped again costs time."""
_FEWEST = 1000
"""Scores of the sample above the first cut: with so many its place is sure to some per cent."""
_SYMMETRY = 1e-3
_ROWS_TOLD = 10

ScoresBlock: TypeAlias = tuple[NDArray[np.floating], NDArray[np.bool_], Codes, Codes]
"""(k,) each: scores, whether both are one person, and the groups of the two."""


class ComparisonError(AssayError):
    """These templates, labels or scores cannot be compared."""

    code = "assay-comparison"
    exit_status = 2


@dataclass(frozen=True, eq=False)
class GenuineScores:
    """Every comparison of two images of one person; by rows, a < b."""

    scores: NDArray[np.float32]
    """(g,)"""
    a: NDArray[np.int32]
    b: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Comparisons:
    """What came of comparing everybody with everybody."""

    axis: Axis
    impostor: NDArray[np.int64]
    """(G + 1, G + 1, bins): between groups, at [lower, higher] alone; G is who has no group."""
    genuine: GenuineScores
    leads: Leads
    trials: NDArray[np.int64]
    """(G + 1, G + 1): all comparisons, genuine ones too, at [lower, higher]."""
    warnings: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """Comparisons of both kinds: n(n − 1)/2."""
        return int(self.trials.sum())

    def impostors(self) -> Counts:
        """Everybody's, of known group or not."""
        together = np.zeros(self.axis.bins, np.int64)
        for lower in range(len(self.impostor)):
            together += self.impostor[lower, lower:].sum(axis=0)
        return Counts(self.axis, together)

    def between(self, one: int, other: int) -> Counts:
        """Of people of one group with people of another, or within a group."""
        return Counts(self.axis, self.impostor[min(one, other), max(one, other)])

    @classmethod
    def from_scores(
        cls,
        blocks: Iterable[ScoresBlock],
        *,
        group_count: int,
        axis: Axis,
        leads: int = LEADS,
    ) -> Comparisons:
        """What came of somebody else's comparisons.

        Nobody says which rows they were of: `a` and `b`, of genuine comparisons and of leads, are
        the two groups instead, the lower first (`group_count`: unknown). So a list of what each
        group is takes the place of a list of what each row is. Memory grows with genuine
        comparisons alone, twelve bytes each; `Axis.between` chooses bins so that counts between
        sixty groups fit.

        Raises:
            ComparisonError: a score is not finite, a group is not below `group_count`, or there
                are more than MOST_GENUINE genuine comparisons.
        """
        tally = Tally.empty(axis, group_count, leads, LOWEST)
        for scores, same, one, other in blocks:
            a, b = (_placed(codes, group_count) for codes in (one, other))
            a, b = np.minimum(a, b), np.maximum(a, b)
            exact = np.asarray(scores).astype(np.float32)
            if not np.isfinite(exact).all():
                raise ComparisonError("A score is not a finite number.")
            tally.genuine.append((exact[same], a[same], b[same]))
            _bound_genuine(tally.genuine_count)
            np.add.at(tally.genuine_trials, (a[same], b[same]), 1)
            strangers, a, b = exact[~same], a[~same], b[~same]
            np.add.at(tally.impostor, (a, b, axis.bins_of(strangers)), 1)
            high = strangers >= np.float32(tally.leads.above)
            tally.leads.add(strangers[high], a[high], b[high])
        return _told(tally, ())


def compare_all(
    probes: Vectors,
    references: Vectors,
    *,
    subjects: NDArray[np.int32],
    groups: Codes,
    group_count: int,
    axis: Axis,
    permit: Standing,
    threads: int = 2,
    leads: int = LEADS,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
) -> Comparisons:
    """Compare each row with each other row, once.

    Speed and memory: see `benchmarks/assay.py`. Beside the templates, twice, there are counts of
    8 · bins · (G + 1)(G + 2)/2 bytes (`Axis.between` bounds them), and 24 bytes for each lead.

    Args:
        probes: (n, d) float32; a template as a probe.
        references: (n, d); the same rows as references; the same array where there is no
            difference. The inner product of one's probe with another's reference is their score,
            and it must not matter which is which.
        subjects: (n,): who each row is. Rows of UNKNOWN are taken for different people.
        groups: (n,): the finest groups that are asked for, below `group_count`, or UNKNOWN.
        group_count: how many groups there are.
        axis: where scores are counted.
        permit: covers comparing; one that is renewed where this may take minutes.
        threads: stripes that are worked on at once.
        leads: how many impostor comparisons are kept one by one.
        progress: told of comparisons after each stripe.
        checkpoint: a file that a later call of the same data goes on from; it goes at the end.
            It holds counts, scores and row numbers, no template.

    Raises:
        PermitError, Refused: `permit` does not cover comparing, or not to the end.
        ComparisonError: shapes do not fit, a template is not finite, fewer than two rows, the
            comparison is not symmetric, or too many genuine comparisons.
        CheckpointError: `checkpoint` is of other data, or damaged, or cannot be written.
    """
    require_step(permit, Touch.COMPARE)
    _check(probes, references, subjects, groups, group_count, axis)
    _bound_genuine(_genuine_pairs(subjects))
    rows = Sorted(probes, references, subjects, groups, group_count)
    empty = Tally.empty(axis, group_count, leads, _first_cut(rows, leads))
    tally = run(
        rows, empty, permit=permit, threads=threads, progress=progress, checkpoint=checkpoint
    )
    unknown = int((subjects == UNKNOWN).sum())
    warnings = (
        f"{unknown} images have no subject; each is taken for a person of its own: if some are of "
        "one person, false matches are overstated.",
    )
    return _told(tally, warnings if unknown else ())


def _told(tally: Tally, warnings: tuple[str, ...]) -> Comparisons:
    scores, a, b = tally.genuine_joined()
    order = by_rows(a, b)
    return Comparisons(
        axis=tally.axis,
        impostor=tally.impostor,
        genuine=GenuineScores(scores[order], a[order], b[order]),
        leads=tally.leads.result(),
        trials=tally.impostor.sum(axis=2) + tally.genuine_trials,
        warnings=warnings,
    )


def _check(
    probes: Vectors,
    references: Vectors,
    subjects: NDArray[np.int32],
    groups: Codes,
    group_count: int,
    axis: Axis,
) -> None:
    count = len(probes)
    if probes.ndim != 2 or references.shape != probes.shape:
        raise ComparisonError("Probes and references are not tables of the same shape.")
    if subjects.shape != (count,) or groups.shape != (count,):
        raise ComparisonError("There is not one subject and one group for each template.")
    if probes.dtype != np.float32 or references.dtype != np.float32:
        raise ComparisonError("Templates are not float32.")
    if count < 2:
        raise ComparisonError("There are fewer than two templates: nothing to compare.")
    if subjects.min() < UNKNOWN:
        raise ComparisonError("A subject is a negative number other than UNKNOWN.")
    _placed(groups, group_count)
    for kind, vectors in (("probe", probes), ("reference", references)):
        broken = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
        if len(broken):
            told = ", ".join(str(row) for row in broken[:_ROWS_TOLD])
            raise ComparisonError(
                f"{len(broken)} {kind} templates are not finite numbers.",
                why=f"Rows, counted from 0: {told}{', …' if len(broken) > _ROWS_TOLD else ''}.",
                mend="Leave these rows out, and say so.",
            )
    longest = [float(np.abs(vectors).max()) for vectors in (probes, references)]
    furthest = longest[0] * longest[1] * probes.shape[1] * max(1.0, float(axis.scale))
    if furthest > float(np.finfo(np.float32).max):
        raise ComparisonError("The templates are so long that their products overflow.")
    _check_symmetry(probes, references)


def _check_symmetry(probes: Vectors, references: Vectors) -> None:
    if references is probes:
        return
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, len(probes), (2, _SAMPLE))
    there = np.einsum("ij,ij->i", probes[one], references[other])
    back = np.einsum("ij,ij->i", probes[other], references[one])
    if (np.abs(there - back) > _SYMMETRY * (1 + np.abs(there))).any():
        raise ComparisonError(
            "The comparison is not symmetric.",
            why="The score of two people depends on who is the probe.",
            mend="Compare by vectors whose products are the same either way.",
        )


def _placed(codes: Codes, group_count: int) -> NDArray[np.int32]:
    """UNKNOWN as the last group."""
    if codes.size and not (codes.min() >= UNKNOWN and codes.max() < group_count):
        raise ComparisonError(f"A group is not one of {group_count}, nor UNKNOWN.")
    return np.where(codes == UNKNOWN, group_count, codes).astype(np.int32)


def _genuine_pairs(subjects: NDArray[np.int32]) -> int:
    images = np.unique(subjects[subjects != UNKNOWN], return_counts=True)[1].astype(np.int64)
    return int((images * (images - 1) // 2).sum())


def _bound_genuine(count: int) -> None:
    if count > MOST_GENUINE:
        raise ComparisonError(
            f"There are more than {MOST_GENUINE:,} genuine comparisons.",
            why="They are kept one by one.",
            mend="Use fewer images of each person.",
        )


def _first_cut(rows: Sorted, leads: int) -> float:
    """About the score that somewhat more impostor comparisons reach than may be leads.

    From some rows, the same in every run. It spares collecting what would be dropped; what is kept
    is complete from `Leads.above` whatever this says.
    """
    count = len(rows)
    pairs = count * (count - 1) // 2 - _genuine_pairs(rows.subjects)
    if pairs <= _MORE * leads:
        return LOWEST
    one, other = np.random.default_rng(0).integers(0, count, (2, min(count, _SAMPLE)))
    scores = rows.probes[one] @ rows.references[:, other]
    mine, theirs = rows.subjects[one][:, None], rows.subjects[other][None, :]
    strangers = scores[((mine != theirs) | (mine == UNKNOWN)) & (one[:, None] != other[None, :])]
    wanted = max(_FEWEST, int(len(strangers) * (_MORE * leads / pairs)))
    if wanted >= len(strangers):
        return LOWEST
    cut = np.partition(strangers, -wanted)[-wanted]
    if int((strangers >= cut).sum()) > 2 * wanted:
        cut = np.nextafter(cut, np.float32(np.inf))
    return float(cut)
