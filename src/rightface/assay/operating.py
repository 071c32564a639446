"""Where a system is set: a threshold, and the false match rate it was set for. A value only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Threshold:
    """What a target false match rate comes to on everybody."""

    fmr_target: float
    score: float
    """Comparisons that score at least this match."""
