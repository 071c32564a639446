"""When a number is a metric: a claim of accuracy must say at which threshold, among how many, of
whom.

"98.6 % accurate" can be kept as an advertisement; as a rate it is refused.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from rightface.assay.errors import AssayError

ErrorRate = Literal["FPIR", "FNIR"]
KINDS: tuple[str, ...] = get_args(ErrorRate)


class ClaimError(AssayError):
    """A number that was claimed is no error rate."""

    code = "claim"
    exit_status = 2


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A number as somebody states it; None: it is not said."""

    value: float
    """0..1"""
    of: str = ""
    """Which rate it is: FPIR or FNIR."""
    threshold: str = ""
    """The operating point: a score or an FMR, in words."""
    gallery_size: int | None = None
    """How many were enrolled when it was measured."""
    mated_share: float | None = None
    """0..1: the share of searches of people who were enrolled."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """An error rate of identification that can be checked (ISO/IEC 19795-1)."""

    value: float
    of: ErrorRate
    threshold: str
    gallery_size: int
    mated_share: float


def lacking(claim: Claim) -> tuple[str, ...]:
    """What would have to be stated for the claim to mean anything."""
    told = []
    if claim.of not in KINDS:
        told.append(
            "which rate it is (FPIR: of searches of people who are not enrolled; FNIR: of "
            "people who are)"
        )
    if not claim.threshold.strip():
        told.append("the threshold")
    if claim.gallery_size is None:
        told.append("the gallery's size")
    if claim.mated_share is None:
        told.append("the share of searches of people who were enrolled")
    return tuple(told)


def require_metric(claim: Claim) -> Metric:
    """The claim as a metric, if it is one.

    Raises:
        ClaimError: something is not stated, or cannot be.
    """
    if not 0 <= claim.value <= 1:  # not a number: neither
        raise ClaimError("A rate lies between 0 and 1.", mend="98.6 % is 0.986.")
    missing = lacking(claim)
    if missing:
        raise ClaimError(
            f"{100 * claim.value:g} % is no metric, and is not kept as one.",
            why=f"It is not stated: {'; '.join(missing)}.",
            mend="State them, from the protocol that the number was measured by.",
        )
    size, share = claim.gallery_size, claim.mated_share
    if size is None or size < 1:
        raise ClaimError("A gallery has one face or more.")
    if share is None or not 0 <= share <= 1:
        raise ClaimError("A share of searches lies between 0 and 1.")
    if claim.of == "FPIR" and share == 1:
        raise ClaimError("Where everybody is enrolled nobody can be found falsely: no FPIR.")
    if claim.of == "FNIR" and share == 0:
        raise ClaimError("Where nobody is enrolled nobody can be missed: no FNIR.")
    of: ErrorRate = "FPIR" if claim.of == "FPIR" else "FNIR"
    return Metric(
        value=claim.value,
        of=of,
        threshold=claim.threshold.strip(),
        gallery_size=size,
        mated_share=share,
    )


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """What a share of correct matches would come to, if so many searched for were enrolled."""

    mated_share: float
    hit_rate: float
    fpir: float
    fnir: float
    fmr: float
    """Of one comparison, for that FPIR."""


def meaning(
    correct: float, hit_rate: float, mated_share: float, gallery_size: int
) -> Meaning | None:
    """FPIR and FNIR, if `correct` of all hits show whom was searched for; None if impossible.

    Hits that are wrong are counted as searches of people who are not enrolled: the kindest reading.
    """
    right, wrong = hit_rate * correct, hit_rate * (1 - correct)
    if not 0 < mated_share < 1 or right > mated_share or wrong > 1 - mated_share:
        return None
    fpir = wrong / (1 - mated_share)
    return Meaning(
        mated_share=mated_share,
        hit_rate=hit_rate,
        fpir=fpir,
        fnir=1 - right / mated_share,
        fmr=-math.expm1(math.log1p(-fpir) / gallery_size) if fpir < 1 else 1.0,
    )
