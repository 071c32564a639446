"""Ways to compare, which `assay equalise --compare` judges: what is fitted, how it enters a score.

Every form is one inner product, so that an index can use it. Never knows data sets or rates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rightface.assay.equalise import Method
from rightface.faces.face import Templates
from rightface.faces.normalisation import Normalisation
from rightface.faces.packs import Vectors

VectorsOf: TypeAlias = Callable[[Templates], tuple[Vectors, Vectors]]
"""Templates → probe and reference vectors."""
Form: TypeAlias = Callable[[Normalisation], VectorsOf]


def raw(templates: Templates) -> tuple[Vectors, Vectors]:
    """The inner product of templates."""
    return templates, templates


def product(made: Normalisation) -> VectorsOf:
    """As the model pack does: two numbers more than a template."""
    return lambda some: (made.probe_vectors(some), made.reference_vectors(some))


def additive(made: Normalisation) -> VectorsOf:
    """p·r − b_p − b_r with b = ½(m + 2d): no deviation in the denominator."""

    def sides(some: Templates) -> tuple[Vectors, Vectors]:
        mean, deviation = made.crowd(some)
        off, ones = -(mean / 2 + deviation)[:, None], np.ones((len(some), 1))
        return _single(np.hstack([some, ones, off])), _single(np.hstack([some, off, ones]))

    return sides


def symmetric(made: Normalisation) -> VectorsOf:
    """The s-norm as it was published: ½(s − m_p)/d_p + ½(s − m_r)/d_r, in 2·128 + 2 numbers."""

    def sides(some: Templates) -> tuple[Vectors, Vectors]:
        mean, deviation = (each[:, None] for each in made.crowd(some))
        ones, own, off = np.ones_like(mean), some / deviation / 2, -mean / deviation / 2
        return (
            _single(np.hstack([some, own, off, ones])),
            _single(np.hstack([own, some, ones, off])),
        )

    return sides


def one_sided(made: Normalisation) -> VectorsOf:
    """The reference's crowd only (t-norm): (s − m_r)/d_r."""

    def sides(some: Templates) -> tuple[Vectors, Vectors]:
        mean, deviation = (each[:, None] for each in made.crowd(some))
        ones = np.ones_like(mean)
        return (
            _single(np.hstack([some, ones])),
            _single(np.hstack([some / deviation, -mean / deviation])),
        )

    return sides


def weaker(offset: float, power: float) -> Form:
    """As `product`, less of it: m goes only so far from what it is at the mean template, and d
    enters with a power below 1."""

    def form(made: Normalisation) -> VectorsOf:
        (usual,), _ = made.crowd(made.mean[None].astype(np.float32))

        def sides(some: Templates) -> tuple[Vectors, Vectors]:
            mean, deviation = (each[:, None] for each in made.crowd(some))
            gain = deviation ** (-power / 2)
            off, ones = -(usual + offset * (mean - usual)) / 2, np.ones_like(mean)
            return (
                _single(gain * np.hstack([some, ones, off])),
                _single(gain * np.hstack([some, off, ones])),
            )

        return sides

    return form


def _single(vectors: NDArray[np.float64]) -> Vectors:
    return np.ascontiguousarray(vectors, np.float32)


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One way to compare."""

    name: str
    method: Method | None
    """None: raw scores."""
    form: Form = product
    """How m and d enter."""


SHIPPED = "product, 512 cosines"
VARIANTS = (
    Variant(name="raw", method=None),
    Variant(
        name="s-norm, linear, unbalanced (the prototype)",
        method=Method(share=0.05, balanced=False, cosines=0, ridge=0.001),
        form=symmetric,
    ),
    Variant(
        name="product, linear, unbalanced",
        method=Method(balanced=False, cosines=0),
    ),
    Variant(name="product, linear", method=Method(cosines=0)),
    Variant(name=SHIPPED, method=Method()),
    Variant(name="s-norm, 512 cosines", method=Method(), form=symmetric),
    Variant(name="additive, 512 cosines", method=Method(), form=additive),
    Variant(name="reference's side only, 512 cosines", method=Method(), form=one_sided),
    Variant(name="product, offset 0.9", method=Method(), form=weaker(0.9, 1.0)),
    Variant(name="product, offset 0.8, deviation to the ½", method=Method(), form=weaker(0.8, 0.5)),
    Variant(name="product, deviation to the ½", method=Method(), form=weaker(1.0, 0.5)),
    Variant(name="product, nearest 2 %", method=Method(share=0.02)),
    Variant(name="product, nearest 3 %", method=Method(share=0.03)),
    Variant(name="product, nearest 6 %", method=Method(share=0.06)),
    Variant(name="product, nearest 10 %", method=Method(share=0.1)),
    Variant(name="product, 256 cosines", method=Method(cosines=256)),
    Variant(
        name="product, 256 narrow cosines (before)",
        method=Method(cosines=256, width=2.0, ridge=0.02),
    ),
    Variant(name="product, 1,024 cosines", method=Method(cosines=1024)),
)
