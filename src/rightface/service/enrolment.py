"""Enrolment: one person, one face, one consent."""

from __future__ import annotations

import io
import uuid
from datetime import UTC, datetime, timedelta

from PIL import Image
from sqlalchemy.orm import Session

from rightface.errors import FaceNotFound
from rightface.faces.face import Face
from rightface.faces.image import Pixels
from rightface.gallery.retention import interacted
from rightface.gallery.store import Collection, NewFace
from rightface.permit import Permit
from rightface.service.desk import (
    Desk,
    answer,
    purpose_of,
    record_of,
    strictest,
    template_of,
)
from rightface.service.sight import fit, seen, unfit
from rightface.service_types import (
    Answer,
    Caller,
    EnrolledFace,
    FaceRecord,
    IndexedFaces,
    Picture,
)


class Enrolment(Desk):
    """Faces into galleries."""

    def index_faces(
        self,
        caller: Caller,
        collection: str,
        *,
        image: Picture,
        subject: str | None,
        max_faces: int | None,
        quality_filter: str,
    ) -> Answer[IndexedFaces]:
        """Enrol the largest face of an image: consent is one person's, so only one is enrolled.

        Raises:
            Refused, CollectionNotFound, ImageError.
        """
        del max_faces  # at most one face is ever enrolled, and Amazon's minimum is one
        subjects = () if subject is None else (subject,)
        with self.permitted(caller, "enroll", gallery=collection, subjects=subjects) as permit:
            with self.instance.database.read() as session:
                gallery = self.searchable(session, caller, collection)
            pixels = self.decode(image, permit)
            faces = self.analyze([pixels], permit, templates=False)[0]
            chosen = next((f for f in faces if fit(f, quality_filter)), None)
            left_out = [
                (seen(face, pixels), _why_not(face, quality_filter))
                for face in faces
                if face is not chosen
            ]
            enrolled: list[EnrolledFace] = []
            if chosen is None:
                self.done(permit, "nobody-enrolled", counts={"faces": 0})
            else:
                measured = self.with_template(pixels, chosen, permit)
                record = self._enrol(caller, permit, gallery, subject, pixels, measured)
                enrolled.append(EnrolledFace(record=record, detected=seen(chosen, pixels)))
            return answer(
                permit,
                IndexedFaces(
                    enrolled=enrolled,
                    not_enrolled=left_out,
                    model_version=self.model_version,
                ),
            )

    def _enrol(
        self,
        caller: Caller,
        permit: Permit,
        gallery: Collection,
        subject: str | None,
        pixels: Pixels,
        face: Face,
    ) -> FaceRecord:
        instance = self.instance
        template = template_of(face)
        told = seen(face, pixels)
        now = datetime.now(UTC)
        subjects = () if subject is None else (subject,)
        asked = self.asked(caller, "enroll", gallery=gallery.name, subjects=subjects)
        new = NewFace(
            image_id=str(uuid.uuid4()),
            subject=subject,
            template=template,
            crop=self._crop(pixels, face, permit) if instance.settings.keep_crops else None,
            left=told.left,
            top=told.top,
            width=told.width,
            height=told.height,
            confidence=told.confidence,
            quality={"sharpness": told.sharpness, "brightness": told.brightness},
            basis=caller.licence.basis,
            purpose=purpose_of(caller) or "",
            enrolled_at=now,
            retain_until=_retain_until(permit, now),
            idle_days=_idle_days(permit),
            ledger_index=permit.ledger_index,
        )

        def work(session: Session) -> bool:
            # The gate's judgement again, in the very transaction of the enrolment: licence,
            # consent, warrant, duty or law may have changed while the face was looked at.
            if not instance.gate.still_allows(session, asked):
                instance.record_outcome(session, permit, "no-longer-allowed")
                return False
            instance.store.insert_faces(session, gallery, [new], permit=permit)
            if subject is not None:  # coming to be enrolled is an interaction
                interacted(
                    session, instance.vault, gallery, subject, at=now, now=now, permit=permit
                )
            known = () if subject is None else (instance.vault.commitment(session, subject),)
            instance.record_outcome(
                session, permit, "enrolled", subjects=known, counts={"faces": 1}
            )
            return True

        vector = instance.pack.reference_vectors(template[None], permit=permit)[0]
        coming = instance.indexes.expecting(gallery.id, {new.face_id: vector}, permit=permit)
        with coming, self.times.of("write"):
            kept = instance.database.write(work)
        if not kept:
            with self.permitted(caller, "enroll", gallery=gallery.name, subjects=asked.subjects):
                pass  # the gate says why; if it permits again, what ended came back meanwhile
            raise FaceNotFound("What allowed it changed during the enrolment.", mend="Ask again.")
        return record_of(new, new.subject)

    def _crop(self, pixels: Pixels, face: Face, permit: Permit) -> bytes:
        chip = self.instance.engine.crop(pixels, face, permit=permit)
        out = io.BytesIO()
        Image.fromarray(chip).save(out, "PNG")
        return out.getvalue()


def _retain_until(permit: Permit, now: datetime) -> datetime | None:
    terms = strictest(permit)
    ends = [
        now + timedelta(**{unit: terms[kind]})
        for kind, unit in (("retention-days", "days"), ("retention-minutes", "minutes"))
        if kind in terms
    ]
    return min(ends, default=None)


def _idle_days(permit: Permit) -> int | None:
    days = strictest(permit).get("retention-idle-days")
    return None if days is None else int(days)


def _why_not(face: Face, quality_filter: str) -> list[str]:
    return list(unfit(face, quality_filter)) or ["exceeds-max-faces"]
