"""Scores that look as if `same`, or the score itself, were wrong. Nothing is changed for it.

    1. Scores far from all others: they may stand for "no score". Farther from the middle 98 % than
       FAR times their width.
    2. Comparisons of one person that score below the median of two people's, and the other way
       round. Told are FEWEST or more, if they are too many in one of two ways:

           - more than four deviations (of a Poisson count) above the greater of USUAL of its kind
             and twice what a logistic distribution with the kind's median and its median absolute
             deviation has there (which flipped rows hardly move: Huber & Ronchetti 2009, 5.1);
           - more of them, by BUMP deviations, in the other kind's middle half than in some range of
             the same width nearer to their own bulk: a tail only falls, and flipped rows make a
             bump in it.

Flipped rows score as the other kind does, so half of them are found so; photographs in which
somebody else's face was taken score alike. How often right labels are suspected, and wrong ones
found, is in docs/assay-data.md. Never knows who was compared with whom.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rightface.assay.exclusions import named
from rightface.assay.label_checks import SWAPPED, Looked
from rightface.assay.result import Suspicion
from rightface.assay.score_file import ScoreFile

Scores = NDArray[np.float64]

FAR = 50.0
FEWEST = 3
LEAST = 30
"""Comparisons of a kind below which its bulk says nothing."""
USUAL = {True: 2e-3, False: 2e-6}
"""Of one person's comparisons below the other median, and of two people's above."""
BUMP = 3.5
MOST_RANGES = 64
NAMED = 20
WHO_IS_WHO = f"{SWAPPED} Scores do not say which photographs they are of."
TIMES = 2
_SPREAD = 1 / math.log(3)
"""A logistic distribution's scale over its median absolute deviation."""


def look_through(file: ScoreFile) -> Looked:
    """Both kinds of suspicion."""
    found = _far(file)
    genuine, impostor = file.genuine, file.impostor
    fewest = min(len(genuine), len(impostor))
    if fewest < LEAST or np.median(genuine) <= np.median(impostor):
        why = f"There are only {fewest} comparisons of one kind, and it takes {LEAST}."
        if fewest >= LEAST:
            why = "One person's scores are not above those of two people."
        return Looked(tuple(found), (WHO_IS_WHO, f"rows whose `same` is flipped. {why}"))
    for same in (True, False):
        crossed = _crossed(file, same=same)
        if crossed is not None:
            found.append(crossed)
    return Looked(tuple(found), (WHO_IS_WHO, _could_see(genuine, impostor)))


def _could_see(genuine: Scores, impostor: Scores) -> str:
    """How many crossed scores it takes: fewer flipped rows may not be told."""
    one = max(FEWEST, _most_usual(expected(genuine, impostor, same=True)) + 1)
    two = max(FEWEST, _most_usual(expected(impostor, genuine, same=False)) + 1)
    return (
        "a few rows whose `same` is flipped. They are told where "
        f"{one:,} comparisons of one person score lower than half of those of two people, or "
        f"{two:,} of two people higher than half of those of one person. Half of the flipped rows "
        f"do: fewer than {2 * one:,} and {2 * two:,} of them may go untold."
    )


def expected(own: Scores, other: Scores, *, same: bool) -> float:
    """How many of `own` would lie on the other side of the median of `other`, at the very most."""
    middle, edge = np.median(own), np.median(other)
    scale = _SPREAD * float(np.median(np.abs(own / 2 - middle / 2)))
    away = abs(float(middle / 2 - edge / 2))
    share = TIMES / (1 + math.exp(min(away / scale, 700.0))) if scale > 0 else 0.0
    return len(own) * max(share, USUAL[same])


def _most_usual(usual: float) -> int:
    """Four deviations of a Poisson count above what is expected."""
    return math.floor(usual + 4 * math.sqrt(usual))


def bump(own: Scores, other: Scores) -> bool:
    """Whether more of `own` lie in the middle half of `other` than in a range nearer to their own.

    Both ascending.
    """
    low, middle, high = np.quantile(other, [0.25, 0.5, 0.75])
    width, away = high - low, float(np.median(own) - middle)
    if not (0 < width < abs(away) < np.inf):
        return False
    ranges = int(min(2 * abs(away) / width, MOST_RANGES))
    starts = low + np.linspace(0, away, ranges, endpoint=False)
    inside = np.searchsorted(own, starts + width) - np.searchsorted(own, starts)
    here, fewest = int(inside[0]), int(inside.min())
    return here - fewest > BUMP * math.sqrt(here + fewest)


def _crossed(file: ScoreFile, *, same: bool) -> Suspicion | None:
    own, other = (file.genuine, file.impostor) if same else (file.impostor, file.genuine)
    edge = float(np.median(other))
    count = int((own < edge).sum() if same else (own > edge).sum())
    usual = expected(own, other, same=same)
    too_many = count > _most_usual(usual) or bump(own, other)
    if count < FEWEST or not too_many:
        return None
    cut = own[min(count, NAMED) - 1] if same else own[-min(count, NAMED)]
    rows = _rows(
        file,
        lambda scores, is_same: (is_same == same) & ((scores <= cut) if same else (scores >= cut)),
    )
    mine, theirs = ("one person", "two people") if same else ("two people", "one person")
    where = "lower" if same else "higher"
    return Suspicion(
        what=f"{count:,} of {len(own):,} comparisons of {mine} score {where} than half of those of "
        f"{theirs}, more than their bulk lets expect. `same` may be flipped there: "
        f"see {named(rows, count)}.",
        rows=rows,
    )


def _far(file: ScoreFile) -> list[Suspicion]:
    largest = max(
        abs(float(each[end])) for each in (file.genuine, file.impostor) for end in (0, -1)
    )
    kinds = [each / largest for each in (file.genuine, file.impostor)]
    low = min(float(np.quantile(each, 0.01)) for each in kinds)
    high = max(float(np.quantile(each, 0.99)) for each in kinds)
    room = FAR * (high - low)
    if not room:
        return []

    def far(scores: Scores) -> NDArray[np.bool_]:
        return (scores / largest < low - room) | (scores / largest > high + room)

    count = sum(int(far(each).sum()) for each in (file.genuine, file.impostor))
    if not count:
        return []
    rows = _rows(file, lambda scores, _: far(scores))
    return [
        Suspicion(
            what=f"{count:,} scores are far from all others, the farthest {_farthest(file):g}: "
            f'they may stand for "no score". They count as scores: see {named(rows, count)}.',
            rows=rows,
        )
    ]


def _farthest(file: ScoreFile) -> float:
    ends = [float(each[end]) for each in (file.genuine, file.impostor) for end in (0, -1)]
    middle = float(np.median(file.impostor))
    return max(ends, key=lambda end: abs(end / 2 - middle / 2))


def _rows(
    file: ScoreFile, wanted: Callable[[Scores, NDArray[np.bool_]], NDArray[np.bool_]]
) -> tuple[int, ...]:
    """The first rows of the table of which that is so."""
    found: list[int] = []
    for block in file.blocks():
        found += block.numbers[wanted(block.scores, block.same)].tolist()
        if len(found) >= NAMED:
            break
    return tuple(found[:NAMED])
