"""Human review: what a search found is sealed until people have decided; then leads, or nothing.

The client gets a review's id and no candidates. Reviewers see two pictures at a time and no names,
scores or each other's decisions. Must never know: a wire format, a command line.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, TypeVar

from PIL import Image
from sqlalchemy import select
from sqlalchemy.orm import Session

from rightface.errors import FaceNotFound, ReviewError, ReviewNotFound
from rightface.faces.calibration import similarity as similarity_of
from rightface.faces.face import Face
from rightface.faces.image import Pixels
from rightface.gallery import review_rows, review_seals, review_seats, reviews
from rightface.gallery.review_rows import ReviewRow
from rightface.gallery.review_seals import Review, SealedCandidate, Terms
from rightface.gallery.reviews import Confirmed
from rightface.gallery.rows import CollectionRow, FaceRow
from rightface.gallery.store import Collection, StoredFace
from rightface.instance import acting_as
from rightface.law import licences
from rightface.permit import Permit
from rightface.registrar_reviews import ReviewDesk
from rightface.service.desk import answer, named, purpose_of, record_of, strictest
from rightface.service.leads import Leads
from rightface.service_types import (
    Answer,
    Caller,
    Candidate,
    Floor,
    OpenedReview,
    OpenSeat,
    ReviewFigure,
    ReviewOutcome,
    Shown,
)

OBLIGATION = "human-review"
MOST_REVIEWED = 50
"""Candidates of one review, the best first: more than people can look at with care are not sealed,
and so never told."""
T = TypeVar("T")


class Sealed(NamedTuple):
    """Where candidates went instead of to the client."""

    review_id: str
    expires_at: datetime


class Probe(NamedTuple):
    """Who is searched for: an enrolled face, or the picture of one."""

    picture: bytes
    """PNG, 150 × 150."""
    face: StoredFace | None = None


class Reviews(Leads):
    """Sealing, reviewing, telling."""

    # ------------------------------------------------------------ for searches
    def require_reviewable(self, session: Session, permit: Permit, gallery: Collection) -> None:
        """Before anybody is looked at: if people must review, there is something for them to see.

        Asked of the whole gallery: what is said of one candidate would tell that there is one.

        Raises:
            ReviewError: the gallery has a face without a kept picture.
        """
        if not self.to_review(permit):
            return
        blind = (
            select(FaceRow.id)
            .where(FaceRow.collection_id == gallery.id, FaceRow.crop.is_(None))
            .limit(1)
        )
        if session.execute(blind).first() is not None:
            raise _no_picture()

    def to_review(self, permit: Permit) -> bool:
        """Whether people must review what is found under this permit."""
        return bool(strictest(permit).get(OBLIGATION))

    def probe_of(self, pixels: Pixels, face: Face, permit: Permit) -> Probe | None:
        """The picture of a probe for the reviewers; None: nobody reviews. Needs DETECT."""
        if not self.to_review(permit):
            return None
        out = io.BytesIO()
        Image.fromarray(self.instance.engine.crop(pixels, face, permit=permit)).save(out, "PNG")
        return Probe(out.getvalue())

    def enrolled_probe(self, session: Session, face: StoredFace, permit: Permit) -> Probe | None:
        """An enrolled face as the probe; None: nobody reviews. Needs OPEN.

        Raises:
            ReviewError: no picture of it is kept.
        """
        if not self.to_review(permit):
            return None
        picture = self.instance.vault.open_crop(
            session, face.face_id, face.collection_id, permit=permit
        )
        if picture is None:
            raise _no_picture()
        return Probe(picture, face)

    def seal_if_asked(
        self,
        caller: Caller,
        permit: Permit,
        gallery: Collection,
        candidates: Sequence[Candidate],
        *,
        probe: Probe | None,
    ) -> Sealed | None:
        """Seal the candidates of a search if its permit says so; None: they may be told.

        Writes the outcome `sealed` and the review in one transaction. What is sealed must not be
        told, counted for the client or named in an outcome of the caller's own. In that
        transaction the gate's judgement is asked again, and whether probe and candidates are there
        and may be used: licence, consent or law may have changed while was searched.

        Args:
            caller: who searched.
            permit: of the search, open.
            gallery: which was searched.
            candidates: whom it found, consent checked; perhaps nobody.
            probe: of `probe_of` or `enrolled_probe`.

        Raises:
            ReviewError: there is no probe.
            FaceNotFound: the probe was erased, or may not be used any more.
            Refused: what was permitted is not any more.
        """
        if not self.to_review(permit):
            return None
        if probe is None:
            raise _no_picture()
        until, instance = self.review_until(), self.instance
        asked = self.asked(caller, "identify-1toN", gallery=gallery.name, subjects=named(caller))
        with instance.database.read() as session:  # opening takes a while: others may write
            ready = self.prepared(session, gallery, candidates, permit)

        def work(session: Session) -> Sealed | None:
            if not instance.gate.still_allows(session, asked):
                instance.record_outcome(session, permit, "no-longer-allowed")
                return None
            ids = [one.face_id for one in ready]
            ids += [] if probe.face is None else [probe.face.face_id]
            faces = instance.store.fetch_faces(session, gallery.id, ids, permit=permit)
            usable = self.usable(session, caller, gallery.name, faces)
            if probe.face is not None and probe.face.face_id not in usable:
                raise FaceNotFound("There is no such face that may be used here and now.")
            still = [one for one in ready if one.face_id in usable]
            review_id = self.seal_prepared(
                session, caller, permit, gallery, still, probe=probe, until=until
            )
            shown = probe.face.subject if probe.face is not None else None
            self.instance.record_outcome(
                session, permit, "sealed", subjects=self.known(session, [shown])
            )
            return Sealed(review_id, until)

        with self.times.of("write"):
            sealed = instance.database.write(work)
        if sealed is None:
            with self.permitted(
                caller, "identify-1toN", gallery=gallery.name, subjects=named(caller)
            ):
                pass  # the gate says why; if it permits again, what ended came back meanwhile
            raise ReviewError("What allowed it changed during the search.", mend="Ask again.")
        return sealed

    def review_until(self) -> datetime:
        """Until when people may decide on what is sealed now."""
        return datetime.now(UTC) + timedelta(hours=self.instance.settings.review_hours)

    def seal(
        self,
        session: Session,
        caller: Caller,
        permit: Permit,
        gallery: Collection,
        candidates: Sequence[Candidate],
        *,
        probe: Probe,
        until: datetime,
    ) -> str:
        """Seal candidates for as many reviewers as the permit asks for; the review's id.

        Inside `Database.write`, in the transaction that records the outcome.
        """
        ready = self.prepared(session, gallery, candidates, permit)
        return self.seal_prepared(session, caller, permit, gallery, ready, probe=probe, until=until)

    def prepared(
        self, session: Session, gallery: Collection, candidates: Sequence[Candidate], permit: Permit
    ) -> list[SealedCandidate]:
        """The best of some candidates with their pictures, as they are to be sealed.

        One that was erased meanwhile is left out.
        """
        best = sorted(candidates, key=lambda one: one.fmr)[:MOST_REVIEWED]
        ready = (self._candidate(session, gallery, one, permit) for one in best)
        return [one for one in ready if one is not None]

    def seal_prepared(
        self,
        session: Session,
        caller: Caller,
        permit: Permit,
        gallery: Collection,
        ready: Sequence[SealedCandidate],
        *,
        probe: Probe,
        until: datetime,
    ) -> str:
        """Seal what `prepared` gave, inside `Database.write`; the review's id."""
        instance = self.instance
        row = reviews.open_review(
            session,
            instance.keyring,
            Terms(
                client=caller.licence.client,
                licence_id=caller.licence.licence_id,
                purpose=purpose_of(caller) or "",
                collection_id=gallery.id,
                ledger_index=permit.ledger_index,
                needed=int(strictest(permit)[OBLIGATION]),
                candidates=len(ready),
                expires_at=until.isoformat(),
                pack=instance.pack.digest,
                gallery=instance.gallery_commitment(gallery.client, gallery.name),
                gallery_name=gallery.name,
                subject=caller.subject,
                warrant=caller.warrant,
                declared=dict(caller.declared),
            ),
            ready,
            probe=probe.picture,
            probe_face_id=None if probe.face is None else probe.face.face_id,
            probe_subject=(
                None if caller.subject is None else instance.vault.row_commitment(caller.subject)
            ),
            at=datetime.now(UTC),
            permit=permit,
        )
        return row.review_id

    def _candidate(
        self, session: Session, gallery: Collection, one: Candidate, permit: Permit
    ) -> SealedCandidate | None:
        face_id = one.record.face_id
        picture = self.instance.vault.open_crop(session, face_id, gallery.id, permit=permit)
        if picture is None:  # the gallery has pictures (require_reviewable): it was erased since
            return None
        return SealedCandidate(
            face_id=face_id,
            fmr=one.fmr,
            extrapolated=one.extrapolated,
            subject=next(iter(self.known(session, [one.record.subject])), None),
            crop=picture,
        )

    def sealed_answer(self, permit: Permit, value: T, sealed: Sealed, *, floor: Floor) -> Answer[T]:
        """An answer without candidates that names the review they went to."""
        told = answer(permit, value, floor=floor)
        return replace(told, review=sealed.review_id, review_expires=sealed.expires_at)

    # ------------------------------------------------------------ for the client
    def review_outcome(self, caller: Caller, review_id: str) -> Answer[ReviewOutcome]:
        """What became of a review of the caller's own; the gate is asked anew.

        It is asked for whom the search named, and under its warrant and declarations. Only
        candidates whom every reviewer confirmed are told, and of them only those whose consent
        stands now. They are leads, never identifications. A review that found nobody, was not
        decided in time, or whose faces were erased is open until its time is over, and then
        `timeout`: nothing tells these apart.

        Raises:
            Refused: the gate refused. ReviewError: there is no such review of this client, for
                this purpose.
        """
        instance = self.instance
        with instance.database.read() as session:
            row = reviews.find(session, review_id, client=caller.licence.client)
            if row.purpose != (purpose_of(caller) or ""):
                raise ReviewError(
                    "The review is of another purpose.", mend="Ask with the purpose of the search."
                )
            over = row.state == review_rows.OPEN and row.expires_at <= datetime.now(UTC)
            named_now = session.scalar(
                select(CollectionRow.name).where(CollectionRow.id == row.collection_id)
            )
            caller, name = self._as_sealed(caller, row)
            name = named_now or name  # of one that was deleted the gate is asked all the same
        if name is None:
            raise ReviewNotFound(
                "There is no such review any more.",
                why="The gallery was deleted, and with it whatever the review held.",
            )
        asked = self.permitted(
            caller, "identify-1toN", gallery=name, subjects=named(caller), review=review_id
        )
        with asked as permit:
            if over:
                ReviewDesk(instance).settled(review_id)
            with instance.database.read() as session:
                row = reviews.find(session, review_id, client=caller.licence.client)
                found: Sequence[Candidate] = ()
                if (
                    named_now is not None
                    and row.outcome == review_rows.CONFIRMED
                    and row.wrapped_key is not None
                ):
                    gallery = self.searchable(session, caller, name)
                    review = review_seals.opened(instance.keyring, row)
                    told = reviews.confirmed(session, review)
                    found = self._leads(session, caller, gallery, told, permit)
                known = self.known(session, [one.record.subject for one in found])
                untold = row.outcome in review_rows.UNTOLD
                value = ReviewOutcome(
                    review_id=review_id,
                    state=row.state,
                    outcome=review_rows.TIMEOUT if untold else row.outcome,
                    expires_at=row.expires_at,
                    candidates=found,
                )
            outcome = "review-told" if value.state == review_rows.CLOSED else "review-awaited"
            self.done(permit, outcome, subjects=known, counts={"candidates": len(found)})
            return answer(permit, value)

    def _as_sealed(self, caller: Caller, row: ReviewRow) -> tuple[Caller, str | None]:
        # Of whom, under which warrant and with which declarations was searched, and where; while
        # that is kept.
        try:
            terms = review_seals.opened(self.instance.keyring, row).terms
        except ReviewError:
            return caller, None
        sealed = replace(
            caller,
            subject=terms.subject,
            warrant=terms.warrant,
            declared={**caller.declared, **terms.declared},
        )
        return sealed, terms.gallery_name

    def _leads(
        self,
        session: Session,
        caller: Caller,
        gallery: Collection,
        told: Sequence[Confirmed],
        permit: Permit,
    ) -> tuple[Candidate, ...]:
        faces = self.instance.store.fetch_faces(
            session, gallery.id, [one.face_id for one in told], permit=permit
        )
        usable = self.usable(session, caller, gallery.name, faces)
        return tuple(
            Candidate(
                record=record_of(usable[one.face_id], usable[one.face_id].subject),
                similarity=similarity_of(one.fmr),
                fmr=one.fmr,
                extrapolated=one.extrapolated,
            )
            for one in told
            if one.face_id in usable
        )

    # ------------------------------------------------------------ for reviewers
    def list_reviews(self, token: str) -> Sequence[OpenSeat]:
        """The open reviews that wait for this reviewer. Raises CredentialError."""
        return ReviewDesk(self.instance).listed(token)

    def open_review(self, token: str, review_id: str) -> OpenedReview:
        """Take a seat and look: the probe and each candidate not decided on yet.

        The gate is asked anew for what the client asked; consent of each candidate is checked now,
        and one without leaves the review.

        Raises:
            CredentialError: no reviewer's token.
            ReviewError: no such review, it is closed or out of time, or this person may not sit.
            Refused: the search would not be permitted now.
        """
        instance, desk = self.instance, ReviewDesk(self.instance)
        with instance.database.read() as session:
            person = desk.reviewer(session, token)
            review = review_seals.opened(instance.keyring, reviews.find(session, review_id))
            caller, name = self._searcher(session, review)
        asked = self.permitted(
            caller, "identify-1toN", gallery=name, subjects=named(caller), review=review_id
        )
        # Who looked is on record, from the command line too.
        with acting_as(person.credential_id), asked as permit:

            def work(session: Session) -> OpenedReview | None:
                who = desk.reviewer(session, token)
                review, seat = desk.sitting(session, who, review_id)
                gallery = self.collection(session, caller, name)
                if not self._probe_usable(session, caller, gallery, review, permit):
                    reviews.clear(session, review.row)
                    instance.record_outcome(session, permit, "review-opened")
                    return None
                shown = review_seats.shown_as(session, review, seat)
                ids = [row.face_id for row in shown.values()]
                faces = instance.store.fetch_faces(session, gallery.id, ids, permit=permit)
                usable = self.usable(session, caller, name, faces)
                gone = set(ids) - usable.keys()
                if gone:
                    some_left = reviews.drop(session, review, gone)
                    now = datetime.now(UTC)
                    closed = reviews.settle(session, instance.keyring, review.row, at=now)
                    if closed or not some_left:
                        # Clients read the ledger: it has the same word for what was looked at.
                        instance.record_outcome(session, permit, "review-opened")
                        return None
                opened = OpenedReview(
                    review_id=review_id,
                    expires_at=review.row.expires_at,
                    probe=review_seals.open_probe(review, permit=permit),
                    candidates=[
                        Shown(
                            number=number,
                            picture=review_seals.open_crop(review, row, permit=permit),
                        )
                        for number, row in shown.items()
                        if row.face_id not in gone
                    ],
                )
                instance.record_outcome(session, permit, "review-opened")
                return opened

            opened = instance.database.write(work)
        if opened is None:
            instance.database.forget_deleted()
            raise ReviewError(
                "The review is closed.", why="Nobody in it may be looked at any more."
            )
        return opened

    def _probe_usable(
        self,
        session: Session,
        caller: Caller,
        gallery: Collection,
        review: Review,
        permit: Permit,
    ) -> bool:
        # Of an enrolled probe: whether it is there and may be used now, as a candidate must.
        face_id = review.row.probe_face_id
        if face_id is None:
            return True
        found = self.instance.store.fetch_faces(session, gallery.id, [face_id], permit=permit)
        return face_id in self.usable(session, caller, gallery.name, found)

    def decide_review(self, token: str, review_id: str, decisions: Mapping[int, str]) -> int:
        """Decide on candidates, once each; how many are left. See `ReviewDesk.decide`."""
        return ReviewDesk(self.instance).decide(token, review_id, decisions)

    def review_figures(self) -> Sequence[ReviewFigure]:
        """How reviewed candidates came out, without persons."""
        return ReviewDesk(self.instance).figures()

    def _searcher(self, session: Session, review: Review) -> tuple[Caller, str]:
        """Whoever searched, as the gate is to judge them now, and the gallery's name."""
        terms = review.terms
        licence = licences.by_id(session, self.instance.keyring, terms.licence_id)
        name = session.scalar(
            select(CollectionRow.name).where(CollectionRow.id == terms.collection_id)
        )
        if licence is None or name is None:
            raise ReviewError("The licence or the gallery of this search is gone.")
        caller = Caller(
            licence=licence,
            purpose=terms.purpose,
            subject=terms.subject,
            request_id="review",
            warrant=terms.warrant,
            declared=terms.declared,
        )
        return caller, name


def _no_picture() -> ReviewError:
    return ReviewError(
        "People must review what this search finds, and there is nothing for them to see.",
        why="The gallery has a face of which no picture is kept.",
        mend="Set keep_crops = true and enrol the gallery anew.",
    )
