"""Scores of people that a normalisation was fitted on, by normalisations fitted without them.

A fit knows its own people: judged on them it looks better than it is on anybody else. Here people
are drawn into parts; two people of the parts i and j are compared by a fit to the people of all
other parts. So every pair is compared, and no score is of anybody who was fitted (cross-fitting
where each figure is of two people: Chiang et al. 2022, arXiv:1909.03489). Each fit has fewer people
than the whole set; how the fit to all of it does on others is what this estimates.

It stays one inner product, of longer vectors: of PARTS² blocks a probe of part i fills the blocks
(i, ·) and a reference of part j the blocks (·, j), so that what they share is the block (i, j).
Never knows files, a command line, HTTP, or where permits come from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import combinations_with_replacement
from itertools import product as product_of

import numpy as np
from numpy.typing import NDArray

from rightface.assay.bootstrap import people
from rightface.assay.cohorts import Codes
from rightface.assay.equalise import Method, fit
from rightface.assay.equalise_variants import Form, product
from rightface.assay.permits import Permitted, Renewed
from rightface.faces.face import Templates
from rightface.faces.normalisation import Normalisation
from rightface.faces.packs import Vectors
from rightface.permit import Permit, Touch, require

PARTS = 4
"""Of the people: a fit has those of two or three of them."""


@dataclass(frozen=True)
class CrossFit:
    """Which part each row of a set is in, and what was fitted without two parts."""

    parts: NDArray[np.int64]
    """(n,)"""
    fits: Mapping[tuple[int, int], Normalisation]
    """(i, j), i ≤ j → fitted without the people of both."""

    def vectors(
        self,
        templates: Templates,
        rows: NDArray[np.int64],
        *,
        permit: Permit,
        form: Form = product,
    ) -> tuple[Vectors, Vectors]:
        """Probes and references for some rows of the set, (k, PARTS² · width) each.

        That is 8 kB a row for each of both, with the form of the model pack.

        Args:
            templates: (n, dimension): of the whole set.
            rows: (k,): which of them.
            permit: covers TEMPLATE.
            form: how m and d enter a score.

        Raises:
            PermitError: `permit` does not cover it.
        """
        require(permit, Touch.TEMPLATE)
        some, parts = templates[rows], self.parts[rows]
        sides = {pair: form(made) for pair, made in self.fits.items()}
        width = sides[0, 0](some[:1])[0].shape[1]
        probes = np.zeros((len(rows), PARTS, PARTS, width), np.float32)
        references = np.zeros_like(probes)
        for one, other in product_of(range(PARTS), repeat=2):
            fitted = sides[min(one, other), max(one, other)]
            mine, theirs = parts == one, parts == other
            probes[mine, one, other] = fitted(some[mine])[0]
            references[theirs, one, other] = fitted(some[theirs])[1]
        return probes.reshape(len(rows), -1), references.reshape(len(rows), -1)


def cross_fit(
    templates: Templates,
    groups: Codes,
    method: Method,
    *,
    subjects: NDArray[np.int32],
    permitted: Permitted,
    on: date,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> CrossFit:
    """The fits of a set without two parts of its people each.

    Args:
        templates: (n, dimension), of unit length.
        groups: (n,): see `equalise.fit`.
        method: how to fit.
        subjects: (n,): UNKNOWN is a person of its own.
        permitted: asks the gate; once for each fit.
        on: the day.
        seed: of the drawing of parts.
        progress: told of fits done, of how many.

    Raises:
        Refused: the gate does not allow it.
        AssayError: the parts are too small to fit on.
    """
    parts = _parts(subjects, seed)
    pairs = list(combinations_with_replacement(range(PARTS), 2))
    fits = {}
    for done, (one, other) in enumerate(pairs):
        rows = np.flatnonzero((parts != one) & (parts != other))
        with Renewed(permitted) as permits:
            fits[one, other] = fit(
                templates[rows],
                groups[rows],
                method,
                subjects=subjects[rows],
                permit=permits,
                on=on,
            )
        progress(done + 1, len(pairs))
    return CrossFit(parts, fits)


def _parts(subjects: NDArray[np.int32], seed: int) -> NDArray[np.int64]:
    person = people(subjects)
    count = int(person.max(initial=-1)) + 1
    drawn = np.random.default_rng(seed).permutation(count) % PARTS
    return np.asarray(drawn[person], np.int64)
