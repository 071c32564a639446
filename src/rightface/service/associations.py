"""Faces into users, and out of them.

A user's faces are of one biometric data subject, and alike: who is put together here is found
together. To put them together needs `enroll` for the person whose faces they are, so consent is
asked anew; to take them apart is upkeep. Must never know: a wire format, a command line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from sqlalchemy.orm import Session

from rightface.errors import FaceNotFound, LimitReached, UserChanged
from rightface.faces.calibration import similarity as similarity_of
from rightface.faces.face import Template
from rightface.gallery.request_tokens import Kept
from rightface.gallery.store import Collection, StoredFace
from rightface.gallery.users import MOST_FACES, User
from rightface.permit import Permit
from rightface.service.desk import answer
from rightface.service.floors import floor_of
from rightface.service.users import REFUSED, Users
from rightface.service_types import Answer, Association, Caller, LeftOut

NOT_FOUND, OF_ANOTHER, UNLIKE = "face-not-found", "of-another-user", "low-match-confidence"


class Associations(Users):
    """Which faces belong to which user."""

    def associate_faces(
        self,
        caller: Caller,
        collection: str,
        user_id: str,
        face_ids: Sequence[str],
        *,
        similarity: float,
        token: str | None = None,
    ) -> Answer[Association]:
        """Put faces into a user, in their order, up to 100.

        A face stays out that is not there (or may not be used now), that belongs to another user,
        that is another person's than the user's other faces, or whose nearest among these is less
        similar than `similarity` (0 to 100). The first face of a user has nothing to be like.

        Raises:
            CollectionNotFound, UserNotFound, TokenReused.
            LimitReached: the user has 100 faces.
            UserChanged: it, or the faces, changed meanwhile.
            Refused: the gate does not allow the person's enrolment now.
        """
        wanted = list(dict.fromkeys(face_ids))
        asked = {"user": user_id, "faces": wanted, "similarity": similarity}
        # 1. Whose faces are they? That is read under a permit of its own.
        with self.permitted(caller, "manage-gallery", gallery=collection) as permit:
            with self.instance.database.read() as session:
                gallery = self.searchable(session, caller, collection)
                once = self.with_token(caller, gallery, "associate-faces", token, asked)
                kept = self.answered_before(session, once)
                if kept is None:
                    user = self.instance.users.find(session, gallery, user_id)
                    faces = self._faces(session, gallery, user, wanted, permit)
                    joining = self._joining(session, caller, gallery, faces, wanted)
                    kept = None if joining else _kept(wanted, faces, user)
                    person = _person(user, faces, joining)
                told = None if kept is None else self._association(session, wanted, kept)
            self.done(permit, "told", counts={"faces": 0 if told is None else len(told.moved)})
            if told is not None and kept is not None:
                nothing = kept  # to do; the token stands for that from now on
                if once is not None:
                    self.once(
                        caller,
                        permit,
                        collection,
                        "associate-faces",
                        token,
                        asked,
                        lambda *_: nothing,
                    )
                return answer(permit, told)
        # 2. The person's enrolment, decided anew; then all in one transaction.
        subjects = () if person is None else (person,)
        with self.permitted(caller, "enroll", gallery=collection, subjects=subjects) as permit:
            enrolment = self.asked(caller, "enroll", gallery=collection, subjects=subjects)

            def change(session: Session, gallery: Collection) -> Kept:
                if not self.instance.gate.still_allows(session, enrolment):
                    self.instance.record_outcome(session, permit, "no-longer-allowed")
                    return REFUSED
                return self._associate(
                    session, caller, gallery, user_id, wanted, similarity, person, permit
                )

            with self.times.of("write"):
                kept = self.once(
                    caller, permit, collection, "associate-faces", token, asked, change
                )
            if kept is not REFUSED:
                with self.instance.database.read() as session:
                    return answer(permit, self._association(session, wanted, kept))
        with self.permitted(caller, "enroll", gallery=collection, subjects=subjects):
            pass  # the gate says why; if it permits again, what ended came back meanwhile
        raise FaceNotFound("What allowed it changed meanwhile.", mend="Ask again.")

    def disassociate_faces(
        self,
        caller: Caller,
        collection: str,
        user_id: str,
        face_ids: Sequence[str],
        *,
        token: str | None = None,
    ) -> Answer[Association]:
        """Take faces out of a user, which stays even without any.

        Faces that belong to no user are passed over.

        Raises:
            CollectionNotFound, UserNotFound, TokenReused.
        """
        wanted = list(dict.fromkeys(face_ids))
        with self.permitted(caller, "manage-gallery", gallery=collection) as permit:

            def change(session: Session, gallery: Collection) -> Kept:
                users = self.instance.users
                user = users.find(session, gallery, user_id)
                faces = self.instance.store.fetch_faces(session, gallery.id, wanted, permit=permit)
                theirs = [one for one in wanted if _of(faces, one) == user.row_id]
                users.take_out(session, gallery, theirs, permit=permit)
                concerned = [faces[one].subject for one in theirs]
                self.instance.record_outcome(
                    session,
                    permit,
                    "disassociated",
                    subjects=self.known(session, concerned),
                    counts={"faces": len(theirs)},
                )
                return _kept(wanted, faces, user, theirs, faces_now=user.faces - len(theirs))

            asked = {"user": user_id, "faces": wanted}
            kept = self.once(caller, permit, collection, "disassociate-faces", token, asked, change)
            with self.instance.database.read() as session:
                return answer(permit, self._association(session, wanted, kept))

    # ------------------------------------------------------------ putting together
    def _associate(
        self,
        session: Session,
        caller: Caller,
        gallery: Collection,
        user_id: str,
        wanted: Sequence[str],
        similarity: float,
        person: str | None,
        permit: Permit,
    ) -> Kept:
        users = self.instance.users
        user = users.find(session, gallery, user_id)
        faces = self._faces(session, gallery, user, wanted, permit)
        joining = self._joining(session, caller, gallery, faces, wanted)
        if not joining or _person(user, faces, joining) != person:
            raise UserChanged("The user or its faces changed meanwhile.", mend="Ask again.")
        if user.faces >= MOST_FACES:
            raise LimitReached(f"The user has {MOST_FACES} faces, and may have no more.")
        theirs = {one: faces[one] for one in faces if _of(faces, one) == user.row_id}
        usable = list(self.usable(session, caller, gallery.name, theirs))
        coming = [one for one in joining if faces[one].subject == person]
        templates = self.instance.store.open_templates(
            session, gallery.id, [*usable, *coming], permit=permit
        )
        fmr = floor_of(permit, self.instance.pack.calibration, similarity).fmr
        moved: list[str] = []
        left_out: dict[str, tuple[str | None, float | None]] = {
            one: (UNLIKE, None)
            for one in joining
            if one not in coming  # never compared
        }
        for face_id in coming:
            if user.faces + len(moved) >= MOST_FACES:
                left_out[face_id] = (None, None)
            elif user.faces + len(moved) == 0:
                moved.append(face_id)
            else:
                rate = self._nearest(templates, face_id, [*usable, *moved], permit)
                if rate <= fmr:
                    moved.append(face_id)
                else:
                    left_out[face_id] = (UNLIKE, similarity_of(rate))
        users.put(session, gallery, user, moved, permit=permit)
        self.instance.record_outcome(
            session,
            permit,
            "associated",
            subjects=self.known(session, [person]),
            counts={"faces": len(moved), "left-out": len(left_out)},
        )
        return _kept(wanted, faces, user, moved, left_out, faces_now=user.faces + len(moved))

    def _nearest(
        self, templates: Mapping[str, Template], face_id: str, others: Iterable[str], permit: Permit
    ) -> float:
        # The false match rate of a face with the nearest of the others; 1: nothing to compare.
        near = [templates[one] for one in others if one in templates]
        if not near or face_id not in templates:
            return 1.0
        pack = self.instance.pack
        scores = pack.compare_all(templates[face_id][None], np.stack(near), permit=permit)
        return pack.calibration.rate(float(scores.max())).fmr

    def _faces(
        self,
        session: Session,
        gallery: Collection,
        user: User,
        wanted: Sequence[str],
        permit: Permit,
    ) -> dict[str, StoredFace]:
        # Those asked for, and those that the user has already.
        theirs = self.instance.users.faces_of(session, user, permit=permit)
        ids = list(dict.fromkeys([*wanted, *theirs]))
        return self.instance.store.fetch_faces(session, gallery.id, ids, permit=permit)

    def _joining(
        self,
        session: Session,
        caller: Caller,
        gallery: Collection,
        faces: dict[str, StoredFace],
        wanted: Sequence[str],
    ) -> list[str]:
        # Those asked for that belong to no user and may be used now. Those that may not are told
        # as not found, as in a search; they leave `faces`.
        free = {one: faces[one] for one in wanted if one in faces and _of(faces, one) is None}
        usable = self.usable(session, caller, gallery.name, free)
        for face_id in free.keys() - usable.keys():
            del faces[face_id]
        return [one for one in wanted if one in usable]

    def _association(self, session: Session, wanted: Sequence[str], kept: Kept) -> Association:
        # What is kept names nobody: places in the request, words, and rows of users.
        rows = {row for _, _, row, _ in kept["left-out"] if row is not None}
        named = self.instance.users.named(session, rows)
        return Association(
            moved=[wanted[place] for place in kept["moved"]],
            left_out=[
                LeftOut(
                    face_id=wanted[place],
                    reason=reason,
                    user=named[row].user_id if row in named else None,
                    similarity=similarity,
                )
                for place, reason, row, similarity in kept["left-out"]
            ],
            faces=kept["faces"],
        )


def _of(faces: Mapping[str, StoredFace], face_id: str) -> str | None:
    return faces[face_id].user_id if face_id in faces else None


def _person(user: User, faces: Mapping[str, StoredFace], joining: Sequence[str]) -> str | None:
    # Whose faces the user's are; of a user without any, whose the first that comes is.
    theirs = [face.subject for face in faces.values() if face.user_id == user.row_id]
    return theirs[0] if theirs else next((faces[one].subject for one in joining), None)


def _kept(
    wanted: Sequence[str],
    faces: Mapping[str, StoredFace],
    user: User,
    moved: Sequence[str] = (),
    left_out: Mapping[str, tuple[str | None, float | None]] | None = None,
    *,
    faces_now: int | None = None,
) -> Kept:
    # The outcome by places in the request, words and rows of users: it names nobody. Faces that
    # are where they were asked to be already are passed over.
    told: list[tuple[int, str | None, str | None, float | None]] = []
    for place, face_id in enumerate(wanted):
        row = _of(faces, face_id)
        if face_id in (left_out or {}):
            reason, similarity = (left_out or {})[face_id]
            told.append((place, reason, user.row_id, similarity))
        elif face_id not in faces:
            told.append((place, NOT_FOUND, None, None))
        elif row not in (None, user.row_id):
            told.append((place, OF_ANOTHER, row, None))
    return {
        "moved": [wanted.index(one) for one in moved],
        "left-out": told,
        "faces": (user.faces if faces_now is None else faces_now) > 0,
    }
