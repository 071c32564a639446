"""The figures of one measurement: as they go on record, and what step 5 looks at of them.

How they are kept: `evidence_records.py`; where they come from: `assay/evidence.py`. Never knows a
database, a signature or a face.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any

from rightface.errors import LawError
from rightface.law.evidence import REQUIREMENTS, Differential, Evidence
from rightface.law.splits import Split

_DIGEST = re.compile(r"[0-9a-f]{64}")
FEWEST_MATCHES = 3
"""Of fewer false matches nothing is said of a group that is too small to count."""
MOST_GROUPS = 500
"""Of how many groups the figures are kept."""


@dataclass(frozen=True, kw_only=True)
class GroupFigures:
    """One group at the threshold that is set on everybody. Rates are shares, 0..1."""

    name: str
    columns: tuple[str, ...]
    impostor_pairs: int
    genuine_pairs: int
    fmr: float | None
    fmr_low: float | None
    fmr_high: float | None
    tmr: float | None
    too_few: str = ""
    """Why nothing can be said of it; empty: it counts."""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What one measurement found, as it is put on record."""

    pack_digest: str
    comparison: str
    """`raw`, or the name of the pack's score normalisation."""
    comparison_digest: str
    software: str
    data_set: str
    data_digest: str
    document_digest: str
    """Hex SHA-256 of the assay's document."""
    measured_on: date
    images: int
    people: int | None
    """None: the data set does not say who is who."""
    impostor_pairs: int
    genuine_pairs: int
    smallest_fmr: float
    fmr_target: float
    """The false match rate over all at whose threshold the groups were compared."""
    differential: Differential | None
    lowest_tmr: float | None
    """As in `Evidence`: the lower end of its interval."""
    groups: tuple[GroupFigures, ...] = ()
    left_out: tuple[str, ...] = ()
    """Ways to split the people that have no differential, and why."""


def is_same(one: Figures, other: Figures) -> bool:
    """Whether both say the same: of one document, at one rate."""
    return (one.document_digest, one.fmr_target) == (other.document_digest, other.fmr_target)


def tells_against(figures: Figures) -> bool:
    """Whether it may refuse something by itself: groups are more unequal than some limit allows."""
    told = figures.differential
    strictest = min(row.limit for row in REQUIREMENTS if row.limit is not None)
    return told is not None and (told.high is None or told.high > strictest)


def to_plain(figures: Figures) -> dict[str, Any]:
    """The figures as plain values, ready for JSON."""
    return {**asdict(figures), "measured_on": figures.measured_on.isoformat()}


def from_plain(told: Mapping[str, Any]) -> Figures:
    """The inverse of `to_plain`, for JSON's lists too.

    Raises:
        LawError: fields are missing or unknown, or of the wrong type.
    """
    try:
        differential = told["differential"]
        return Figures(
            **{
                **told,
                "measured_on": date.fromisoformat(told["measured_on"]),
                "differential": None if differential is None else Differential(**differential),
                "groups": tuple(
                    GroupFigures(**{**one, "columns": tuple(one["columns"])})
                    for one in told["groups"]
                ),
                "left_out": tuple(told.get("left_out", ())),
            }
        )
    except (KeyError, TypeError, ValueError) as error:
        raise LawError(
            "The figures of a measurement cannot be read.", why=type(error).__name__
        ) from error


def evidence_of(figures: Figures, source: str, *, shipped: bool = False) -> Evidence:
    """What step 5 looks at."""
    return Evidence(
        pack_digest=figures.pack_digest,
        measured_on=figures.measured_on,
        impostor_pairs=figures.impostor_pairs,
        genuine_pairs=figures.genuine_pairs,
        people=figures.images if figures.people is None else figures.people,
        comparison_digest=figures.comparison_digest,
        differential=figures.differential,
        splits=tuple(_splits(figures.groups, figures.fmr_target)),
        lowest_tmr=figures.lowest_tmr,
        source=source,
        shipped=shipped,
    )


def _splits(groups: Iterable[GroupFigures], fmr_target: float) -> Iterator[Split]:
    """Every way to split the people of which something can be said."""
    by: dict[tuple[str, ...], list[GroupFigures]] = {}
    for group in groups:
        if group.fmr is not None:
            by.setdefault(group.columns, []).append(group)
    for columns, found in by.items():
        large = [group for group in found if not group.too_few]
        small = [group for group in found if _is_suspect(group, fmr_target)]
        if not small and not any(group.fmr for group in large):
            continue  # nobody was matched: there is no worst over best
        worst = max(small, key=lambda group: group.fmr or 0, default=None)
        # A group without an error counts by its upper bound, as in worst over best.
        best = min((group.fmr or group.fmr_high or 0 for group in large), default=fmr_target)
        yield Split(
            columns=columns,
            groups=len(large) if any(group.fmr for group in large) else 0,
            small_times=0 if worst is None else (worst.fmr or 0) / (best or fmr_target),
            small_group="" if worst is None else worst.name,
        )


def _is_suspect(group: GroupFigures, fmr_target: float) -> bool:
    """Too small to count, and all the same clearly matched more often than everybody."""
    if not group.too_few or group.fmr is None or group.fmr_low is None:
        return False
    seen = round(group.fmr * group.impostor_pairs)
    return seen >= FEWEST_MATCHES and group.fmr_low > fmr_target


def check(figures: Figures, at: datetime) -> None:
    """Whether the figures can go on record at that time.

    Raises:
        LawError: figures that cannot be, a date in the future, or a malformed digest.
    """
    for digest in (figures.pack_digest, figures.data_digest, figures.document_digest):
        if not _DIGEST.fullmatch(digest):
            raise LawError("A digest of the measurement is not a hexadecimal SHA-256.")
    if figures.measured_on > at.astimezone(UTC).date():
        raise LawError("It would be measured in the future.", mend="Look at this machine's clock.")
    told = figures.differential
    if told is not None:
        high = told.value if told.high is None else told.high
        if not 0 <= told.low <= told.value <= high < math.inf:
            raise LawError("The differential lies outside its own interval.")
    if len(figures.groups) > MOST_GROUPS:
        raise LawError(
            f"There are more than {MOST_GROUPS} groups.",
            mend="Cross fewer columns, or fewer values.",
        )
