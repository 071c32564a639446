"""How reviewed candidates came out, by model pack, gallery and band of rates. Nobody is in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from rightface.gallery.review_rows import FigureRow
from rightface.gallery.review_seals import Review, candidates_of, record_of

NO_BAND = "none"
"""Where a whole review is counted, not its candidates: it ended without a decision."""


def figures(session: Session) -> list[FigureRow]:
    """How reviewed candidates came out, and reviews that were not decided (`NO_BAND`)."""
    order = (FigureRow.pack, FigureRow.gallery, FigureRow.band, FigureRow.outcome)
    return list(session.scalars(select(FigureRow).order_by(*order)))


def count(session: Session, review: Review, outcomes: Mapping[int, str]) -> None:
    """Add the outcomes of a review: candidate number → outcome.

    What the assay can use: at which rates people saw that it was not this person.

    Raises:
        ReviewError: a row was changed.
    """
    found: Counter[tuple[str, str]] = Counter()
    for row in candidates_of(session, review):
        found[band(record_of(review, row)["fmr"]), outcomes[row.number]] += 1
    for (each, outcome), number in found.items():
        _add(session, review, each, outcome, number)


def count_undecided(session: Session, review: Review, outcome: str) -> None:
    """Count a review that ended without a decision: nobody found, erased, or out of time.

    The operator sees these apart; the client does not.
    """
    _add(session, review, NO_BAND, outcome, 1)


def _add(session: Session, review: Review, band: str, outcome: str, number: int) -> None:
    key = (review.terms.pack, review.terms.gallery, band, outcome)
    figure = session.get(FigureRow, key)
    if figure is None:
        told = dict(zip(("pack", "gallery", "band", "outcome"), key, strict=True))
        session.add(FigureRow(**told, number=number))
    else:
        figure.number += number


def band(fmr: float) -> str:
    """The smallest power of ten, down to 1e-9, that a false match rate does not exceed."""
    return next(f"1e-{power}" for power in range(9, -1, -1) if fmr <= 10.0**-power or power == 0)
