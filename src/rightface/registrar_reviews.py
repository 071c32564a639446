"""The reviewers' desk: who may sit, what they decide, what is due, what comes of it in figures.

No face is shown here (service/review.py does, under a permit). Must never know: a command line, a
wire format.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from rightface import credentials
from rightface.credentials import Credential
from rightface.errors import CredentialError, ReviewError
from rightface.gallery import review_figures, review_seals, review_seats, reviews
from rightface.gallery.review_rows import SeatRow
from rightface.gallery.review_seals import Review
from rightface.instance import Instance
from rightface.service_types import OpenSeat, ReviewFigure


class ReviewDesk:
    """Human review on one instance."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    def reviewer(self, session: Session, token: str) -> Credential:
        """The reviewer of a token.

        Raises:
            CredentialError: the token is none, has ended, or is not a reviewer's.
        """
        found = credentials.standing(session, self._instance.keyring, token)
        if found is None or found.role != "reviewer":
            raise CredentialError(
                "This is no reviewer's token, or it has ended.",
                mend="Ask the operator: rightface credential issue --role reviewer --name NAME.",
            )
        return found

    def listed(self, token: str) -> list[OpenSeat]:
        """The open reviews that this reviewer may sit in, oldest first.

        Raises:
            CredentialError: no reviewer's token.
        """
        keyring, now = self._instance.keyring, datetime.now(UTC)
        found = []
        with self._instance.database.read() as session:
            who = self.reviewer(session, token)
            standing = self.standing(session)
            for row in review_seats.listed(session, name=who.name, at=now):
                try:
                    review = review_seals.opened(keyring, row)
                    seat = review_seats.seat_of(session, review, who.credential_id)
                    if seat is not None:
                        if not review_seats.shown_as(session, review, seat):
                            continue  # they have decided on everybody
                    elif review_seats.may_sit(
                        session,
                        review,
                        credential_id=who.credential_id,
                        name=who.name,
                        standing=standing,
                    ):
                        continue
                except ReviewError:
                    continue  # damaged; the others are there all the same
                found.append(
                    OpenSeat(
                        review_id=row.review_id,
                        opened_at=row.opened_at,
                        expires_at=row.expires_at,
                        seated=seat is not None,
                    )
                )
        return found

    def standing(self, session: Session) -> frozenset[str]:
        """The ids of all reviewers' credentials that stand."""
        held = credentials.all_credentials(session, role="reviewer")
        return frozenset(one.credential_id for one in held if one.ended_at is None)

    def sitting(self, session: Session, who: Credential, review_id: str) -> tuple[Review, SeatRow]:
        """The open review, and this reviewer's seat in it (inside `Database.write`).

        Raises:
            ReviewError: no such review, it is closed or out of time, or they may not sit.
        """
        now = datetime.now(UTC)
        row = reviews.find(session, review_id)
        review = review_seals.opened(self._instance.keyring, row)
        review_seals.require_open(review, now)
        seat = review_seats.sit(
            session,
            review,
            credential_id=who.credential_id,
            name=who.name,
            standing=self.standing(session),
            at=now,
        )
        return review, seat

    def decide(self, token: str, review_id: str, decisions: Mapping[int, str]) -> int:
        """Keep this reviewer's decisions, for good; how many candidates are left to them.

        The last reviewer's last decision closes the review in the same transaction.

        Args:
            token: the reviewer's.
            review_id: which review.
            decisions: the candidate's number, as this reviewer sees it → `same`,
                `not-this-person` or `cannot-tell`.

        Raises:
            CredentialError: no reviewer's token.
            ReviewError: no such review, it is closed or out of time, they have not opened it, or
                a decision that cannot be made. Nothing is kept then.
        """
        keyring = self._instance.keyring

        def work(session: Session) -> int:
            now = datetime.now(UTC)
            who = self.reviewer(session, token)
            row = reviews.find(session, review_id)
            review = review_seals.opened(keyring, row)
            review_seals.require_open(review, now)
            seat = review_seats.require_seat(session, review, who.credential_id)
            left = review_seats.decide(session, review, seat, decisions, at=now)
            reviews.settle(session, keyring, row, at=now)
            return left

        left = self._instance.database.write(work)
        self._instance.database.forget_deleted()
        return left

    def sweep(self) -> int:
        """Close what is out of time, destroy what nobody collected; how many of both.

        One transaction for each: the others need not wait, nor fail with one.
        """
        database, now = self._instance.database, datetime.now(UTC)
        longest = timedelta(hours=self._instance.settings.review_hours)
        with database.read() as session:
            found = reviews.due(session, at=now, longest=longest)
        swept = sum(self._finished(review_id, now) for review_id in found)
        if swept:
            database.forget_deleted()
        return swept

    def settled(self, review_id: str) -> None:
        """Close a review whose time is over, as the sweep would."""
        if self._finished(review_id, datetime.now(UTC)):
            self._instance.database.forget_deleted()

    def _finished(self, review_id: str, at: datetime) -> bool:
        keyring = self._instance.keyring
        return self._instance.database.write(
            lambda session: reviews.finish(session, keyring, review_id, at=at)
        )

    def figures(self) -> list[ReviewFigure]:
        """How reviewed candidates came out, by model pack, gallery and band. Nobody is in them."""
        with self._instance.database.read() as session:
            return [
                ReviewFigure(
                    pack=row.pack,
                    gallery=row.gallery,
                    band=row.band,
                    outcome=row.outcome,
                    number=row.number,
                )
                for row in review_figures.figures(session)
            ]
