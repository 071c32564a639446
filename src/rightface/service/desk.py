"""What all operations share: the gate's question, the outcome's record, eyes and erasure.

Must never know: a wire format, a command line.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TypeVar

from sqlalchemy.orm import Session

from rightface.errors import (
    LawError,
    NoFace,
    Overloaded,
    PackMismatch,
    RequestError,
    RightfaceError,
)
from rightface.faces.face import Face, Template
from rightface.faces.image import DEFAULT as IMAGE_LIMITS
from rightface.faces.image import Pixels, announced_pixels, decode
from rightface.gallery.erasure import Erasure, complete_erasure
from rightface.gallery.store import Collection, NewFace, StoredFace
from rightface.gallery.users import count_users
from rightface.instance import Instance
from rightface.law.operation import Operation
from rightface.permit import Permit, Touch, require
from rightface.service.sight import fit
from rightface.service.times import Times
from rightface.service_types import (
    Answer,
    Caller,
    CollectionInfo,
    FaceRecord,
    Floor,
    Picture,
    StoredObject,
    arn_suffix,
)
from rightface.telemetry import Traces

_log = logging.getLogger(__name__)
T = TypeVar("T")
LARGE_PIXELS = 25_000_000
LARGE_AT_ONCE = 2


class Desk:
    """The shared parts; the operations are in the classes that inherit from it."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self._large = threading.BoundedSemaphore(LARGE_AT_ONCE)
        self.times = Times(Traces.to(instance.settings.traces))

    def asked(
        self,
        caller: Caller,
        action: str,
        *,
        gallery: str | None = None,
        subjects: tuple[str, ...] = (),
        review: str | None = None,
    ) -> Operation:
        """The gate's question for this caller; `review`: the one that is looked into or collected.

        Raises:
            RequestError: it declares what a client cannot declare.
        """
        try:
            for name, value in caller.declared.items():
                self.instance.library.vocabulary.declared(name, value)
        except LawError as error:
            raise RequestError(error.what, why=error.why, mend=error.mend) from error
        licence = caller.licence
        return Operation(
            action=action,
            client=licence.client,
            actor=licence.sector,
            parties=licence.parties,
            licence_id=licence.licence_id,
            purpose=purpose_of(caller),
            gallery=gallery,
            client_jurisdiction=licence.jurisdiction,
            place_jurisdiction=licence.jurisdiction,  # no wire says where the camera is
            gallery_jurisdiction=self.instance.settings.jurisdiction,
            subjects=subjects,
            warrant_id=caller.warrant,
            declared=caller.declared,
            legal_basis=licence.basis,
            review=review,
            request_id=caller.request_id,
        )

    @contextmanager
    def permitted(
        self,
        caller: Caller,
        action: str,
        *,
        gallery: str | None = None,
        subjects: tuple[str, ...] = (),
        review: str | None = None,
    ) -> Iterator[Permit]:
        """The gate's question for this caller; inside the block its permit is open.

        What fails inside is recorded as the outcome, by its code.
        """
        operation = self.asked(caller, action, gallery=gallery, subjects=subjects, review=review)
        with self.times.gate(self.instance.permitted(operation)) as permit:
            try:
                yield permit
            except Exception as error:
                code = "internal"
                if isinstance(error, RightfaceError):
                    code = error.code
                    error.proof = (permit.permit_id, permit.ledger_index)
                with suppress(RightfaceError):  # the first error is the one to tell
                    self.done(permit, "failed", reasons=(code,))
                raise

    def done(
        self,
        permit: Permit,
        outcome: str,
        *,
        reasons: tuple[str, ...] = (),
        subjects: tuple[str, ...] = (),
        counts: Mapping[str, int] | None = None,
    ) -> None:
        """Record an outcome that changes no row of the gallery, without waiting for the disk.

        The decision is durable before any result leaves; of what came of it, `kill -9` may lose
        the last moment's. An outcome that changes rows is written with them instead.
        """
        with self.times.of("ledger"):
            self.instance.database.submit(
                lambda session: self.instance.record_outcome(
                    session, permit, outcome, reasons=reasons, subjects=subjects, counts=counts
                )
            ).add_done_callback(_log_failure)

    def erased(self, permit: Permit) -> Callable[[Session, Erasure], int]:
        """What records an erasure in the ledger, in the transaction that erases."""

        def record(session: Session, erasure: Erasure) -> int:
            return self.instance.record_erasure(session, permit, erasure)

        return record

    def erase(self, work: Callable[[Session], Erasure]) -> Erasure:
        """Commit an erasure, then let indexes and files go of it."""
        with self.times.of("erase"):
            erasure = self.instance.database.write(work)
            complete_erasure(
                erasure,
                database=self.instance.database,
                room=self.instance.indexes,
                keyring=self.instance.keyring,
            )
        return erasure

    def collection(self, session: Session, caller: Caller, name: str) -> Collection:
        """The caller's own collection of that name. Raises CollectionNotFound."""
        return self.instance.store.find_collection(session, client=caller.licence.client, name=name)

    def searchable(self, session: Session, caller: Caller, name: str) -> Collection:
        """The caller's own collection, if its templates are of the model pack in use.

        Raises:
            CollectionNotFound: there is none.
            PackMismatch: it was made with another model pack.
        """
        found = self.collection(session, caller, name)
        if found.pack_digest != self.instance.pack.digest:
            raise PackMismatch(
                "The collection was made with another model pack.",
                why="Templates of different packs cannot be compared.",
                mend="Enrol into a new collection, or run the rightface that made this one.",
            )
        return found

    def info(self, session: Session, collection: Collection) -> CollectionInfo:
        """What is told of a collection."""
        return CollectionInfo(
            name=collection.name,
            arn_suffix=arn_suffix(collection.client, collection.name),
            face_count=self.instance.store.count_faces(session, collection),
            user_count=count_users(session, collection.id),
            model_version=self.model_version,
            created_at=collection.created_at,
        )

    @property
    def model_version(self) -> str:
        """The model pack's id."""
        return self.instance.pack.id

    def decode(self, image: Picture, permit: Permit) -> Pixels:
        """A photograph to pixels, fetched from the object store where it lies there.

        Raises:
            PermitError: `permit` does not cover DETECT.
            ObjectError: the object cannot be read, or is not this client's to read.
            ImageError: it is no photograph that can be used.
            Overloaded: it is large, and there is no room for more of these.
        """
        require(permit, Touch.DETECT)
        if isinstance(image, StoredObject):
            with self.times.of("fetch"):
                image = self.instance.objects.read(
                    image.bucket,
                    image.name,
                    image.version,
                    client=permit.client,
                    limit=IMAGE_LIMITS.bytes,
                )
        with self.times.of("decode"), self._room_for(image):
            return decode(image)

    @contextmanager
    def _room_for(self, image: bytes) -> Iterator[None]:
        # A small file may unfold into seconds of work and hundreds of megabytes: few at once, and
        # who finds no room is told so, instead of holding a thread that others need.
        if announced_pixels(image) < LARGE_PIXELS:
            yield
            return
        if not self._large.acquire(blocking=False):
            raise Overloaded(
                "Too many large pictures are looked at just now. Try again.",
                mend=f"Send pictures of fewer than {LARGE_PIXELS:,} pixels.",
            )
        try:
            yield
        finally:
            self._large.release()

    def analyze(
        self,
        images: Sequence[Pixels],
        permit: Permit,
        *,
        templates: bool = True,
        max_faces: int = 100,
    ) -> list[list[Face]]:
        """The faces of each image, largest first."""
        with self.times.of("analyze"):
            return self.instance.engine.analyze(
                images, permit=permit, templates=templates, max_faces=max_faces
            )

    def one_face(self, pixels: Pixels, permit: Permit, quality_filter: str) -> Face:
        """The largest face that passes the filter, with its template. Raises NoFace."""
        most = 1 if quality_filter == "NONE" else 100
        faces = self.analyze([pixels], permit, templates=False, max_faces=most)[0]
        for face in faces:
            if fit(face, quality_filter):
                return self.with_template(pixels, face, permit)
        raise NoFace(
            "There is no face in the image that can be used.",
            why=f"{len(faces)} were found; none passes the quality filter." if faces else "",
            mend="Send a photograph with one clear face, at least 40 pixels wide.",
        )

    def with_template(self, pixels: Pixels, face: Face, permit: Permit) -> Face:
        """A detected face with its template: of this face alone, nobody else is measured."""
        engine = self.instance.engine
        with self.times.of("analyze"):
            chip = engine.crop(pixels, face, permit=permit)
            return replace(face, template=engine.embedder.templates([chip], permit=permit)[0])


def _log_failure(recorded: Future[int]) -> None:
    error = recorded.exception()
    if error is not None:
        _log.error("an outcome was not recorded: %s", type(error).__name__)


def answer(
    permit: Permit,
    value: T,
    *,
    fmr: float | None = None,
    floor: Floor | None = None,
    receipt: str | None = None,
) -> Answer[T]:
    """A value with the proof that it was allowed."""
    return Answer(
        value=value,
        permit_id=permit.permit_id,
        ledger_index=permit.ledger_index,
        fmr=fmr if floor is None else floor.fmr,
        floor=floor,
        obligations=permit.obligations,
        receipt=receipt,
    )


def purpose_of(caller: Caller) -> str | None:
    """What the caller says that it is for; else the licence's purpose, where it has one only."""
    if caller.purpose is None and len(caller.licence.purposes) == 1:
        return caller.licence.purposes[0]
    return caller.purpose


def named(caller: Caller) -> tuple[str, ...]:
    """The subject that the caller names, for what cannot name one on the wire."""
    return () if caller.subject is None else (caller.subject,)


def strictest(permit: Permit) -> dict[str, float]:
    """The permit's obligations by kind; the gate has merged them."""
    return {each.kind: each.value for each in permit.obligations}


def template_of(face: Face) -> Template:
    """The template of a face that was analyzed with templates."""
    assert face.template is not None  # analyze(templates=True)
    return face.template


def record_of(face: NewFace | StoredFace, subject: str | None) -> FaceRecord:
    """What is told of an enrolled face."""
    return FaceRecord(
        face_id=face.face_id,
        image_id=face.image_id,
        subject=subject,
        left=face.left,
        top=face.top,
        width=face.width,
        height=face.height,
        confidence=face.confidence,
        enrolled_at=face.enrolled_at,
        user=face.user if isinstance(face, StoredFace) else None,
    )
