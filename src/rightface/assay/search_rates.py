"""What searches in galleries came to: FPIR, FNIR and ranks, of everybody and of each group.

Searches of all draws count together; the intervals draw the people searched for again, not the
people enrolled. A group is that of who is searched for, in everybody's gallery at everybody's
thresholds. Sources: ISO/IEC 19795-1 (FPIR, FNIR). Numbers and labels only: the searches were made
by `identification`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rightface.assay.bootstrap import SubjectBootstrap
from rightface.assay.cohorts import Column
from rightface.assay.identification import Searches
from rightface.assay.intervals import rate, too_few_genuine
from rightface.assay.result import (
    Identification,
    RankPoint,
    Rate,
    SearchGroup,
    SearchPoint,
)

RANKS = (1, 5, 10, 20, 50)


def identifications(
    searches: Searches,
    bootstrap: SubjectBootstrap,
    targets: Sequence[float | None],
    *,
    partitions: Sequence[Column] = (),
    ranks: Sequence[int] = RANKS,
    longest: int | None = None,
) -> tuple[Identification, ...]:
    """FPIR, FNIR and rank-k hits at every gallery size.

    Args:
        searches: of n rows.
        bootstrap: of the people of those rows.
        targets: the false match rate behind each threshold of the searches, or None.
        partitions: of the n rows: the groups whose searches in the largest gallery are told apart.
        ranks: the k.
        longest: a mate who comes after so many candidates is missed, as one below the threshold is.
    """
    everybody = Column((), ("",), np.zeros(len(bootstrap.person), np.int16))
    told: list[Identification] = []
    for k, size in enumerate(searches.non_mated.sizes):
        gallery = _Gallery(searches, bootstrap, k, longest)
        largest = k == len(searches.non_mated.sizes) - 1
        told.append(
            Identification(
                gallery_size=size,
                mated_searches=len(gallery.mated),
                non_mated_searches=len(gallery.non_mated),
                at=gallery.points(everybody, targets)[0],
                ranks=tuple(
                    RankPoint(rank=r, hit=gallery.hits(everybody, r)[0]) for r in ranks if r <= size
                ),
                groups=tuple(
                    SearchGroup(columns=column.names, name=name, at=at, rank_one=hit)
                    for column in (partitions if largest else ())
                    for name, at, hit in zip(
                        column.values,
                        gallery.points(column, targets),
                        gallery.hits(column, 1),
                        strict=True,
                    )
                ),
            )
        )
    return tuple(told)


class _Gallery:
    """The searches of all draws in galleries of one size."""

    def __init__(
        self, searches: Searches, bootstrap: SubjectBootstrap, k: int, longest: int | None
    ) -> None:
        self._bootstrap, self._thresholds = bootstrap, searches.non_mated.thresholds
        self.non_mated = searches.non_mated.rows
        self._found = searches.non_mated.counts[:, k] > 0
        enrolled = searches.mated.place < searches.non_mated.sizes[k]
        self.mated = searches.mated.rows[enrolled]
        self._score, self._rank = searches.mated.score[enrolled], searches.mated.rank[enrolled, k]
        self._unlisted = self._rank > longest if longest else np.zeros(len(self._rank), np.bool_)

    def points(
        self, column: Column, targets: Sequence[float | None]
    ) -> list[tuple[SearchPoint, ...]]:
        """For each group, what happens at each threshold."""
        told: list[tuple[SearchPoint, ...]] = [() for _ in column.values]
        for t, (target, threshold) in enumerate(zip(targets, self._thresholds, strict=True)):
            missed = (self._score < np.float32(threshold)) | self._unlisted
            rates = zip(
                self._shares(column, self.non_mated, self._found[:, t]),
                self._shares(column, self.mated, missed),
                strict=True,
            )
            for group, (fpir, fnir) in enumerate(rates):
                told[group] += (
                    SearchPoint(fmr_target=target, threshold=threshold, fpir=fpir, fnir=fnir),
                )
        return told

    def hits(self, column: Column, rank: int) -> list[Rate]:
        """For each group, how often the mate is among the first `rank` candidates."""
        return self._shares(column, self.mated, self._rank <= rank)

    def _shares(
        self, column: Column, rows: NDArray[np.int32], hit: NDArray[np.bool_]
    ) -> list[Rate]:
        bootstrap, count = self._bootstrap, len(column.values)
        codes = column.codes[rows].astype(np.int64)
        drawn = bootstrap.listed(rows, rows, hit, codes, count)
        images = np.unique(rows)
        of_image = column.codes[images]
        told = []
        for group in range(count):
            own = images[of_image == group]
            told.append(
                rate(
                    int(drawn.errors[group]),
                    int(drawn.trials[group]),
                    drawn.replicates[:, group],
                    independent=len(own),
                    units=int(drawn.units[group]),
                    too_few=too_few_genuine(len(own), len(np.unique(bootstrap.person[own]))),
                )
            )
        return told
