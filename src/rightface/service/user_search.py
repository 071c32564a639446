"""Searches for users, 1:N: each user by its best face, of those that may be used here and now.

Exact: what a search of all faces that may be used, reduced to each user's best one, would give.
Must never know: a wire format, a command line.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from rightface.errors import FaceNotFound
from rightface.faces.calibration import MatchRate
from rightface.faces.calibration import similarity as similarity_of
from rightface.faces.face import Face, Template
from rightface.gallery.index import GroupHit
from rightface.gallery.store import Collection, StoredFace
from rightface.gallery.users import MOST_FACES
from rightface.permit import Permit
from rightface.service.desk import answer, named, record_of, strictest, template_of
from rightface.service.floors import floor_of
from rightface.service.leads import MOST_CANDIDATES
from rightface.service.review import Reviews
from rightface.service.sight import fit, seen
from rightface.service_types import (
    Answer,
    Caller,
    DetectedFace,
    Floor,
    Picture,
    UserCandidate,
    UserRecord,
    UserSearch,
)

_USERS_AT_ONCE = MOST_CANDIDATES // MOST_FACES
Unsearched = Sequence[tuple[DetectedFace, list[str]]]


class UserSearches(Reviews):
    """Probes against users."""

    def search_users(
        self,
        caller: Caller,
        collection: str,
        *,
        face_id: str | None = None,
        user_id: str | None = None,
        limit: int,
        similarity: float,
    ) -> Answer[UserSearch]:
        """Search by an enrolled face, or by all faces of a user. Give one of the two.

        The face itself is no evidence for its own user (the user's other faces are), and a user is
        not its own candidate.

        Raises:
            CollectionNotFound, UserNotFound, ReviewError.
            FaceNotFound: there is no such face that may be used, or the user has none.
        """
        with self.permitted(
            caller, "identify-1toN", gallery=collection, subjects=named(caller)
        ) as permit:
            with self.instance.database.read() as session:
                gallery = self.searchable(session, caller, collection)
                self.require_reviewable(session, permit, gallery)
                own = [] if face_id is None else [face_id]
                if user_id is not None:
                    user = self.instance.users.find(session, gallery, user_id)
                    own = self.instance.users.faces_of(session, user, permit=permit)
                found = self.instance.store.fetch_faces(session, gallery.id, own, permit=permit)
                probes = self.usable(session, caller, collection, found)
                templates = self.instance.store.open_templates(
                    session, gallery.id, sorted(probes), permit=permit
                )
                if not templates:
                    raise FaceNotFound("There is no such face that may be used here and now.")
                probe = probes[next(iter(templates))]
                shown = self.enrolled_probe(session, probe, permit)
            candidates, floor = self._search_users(
                caller, permit, gallery, list(templates.values()), limit, similarity, own
            )
            sealed = self.seal_if_asked(caller, permit, gallery, candidates, probe=shown)
            if sealed is not None:
                return self.sealed_answer(permit, self._found(None, (), ()), sealed, floor=floor)
            self._searched_users(permit, candidates, probe)
            return answer(permit, self._found(None, candidates, ()), floor=floor)

    def search_users_by_image(
        self,
        caller: Caller,
        collection: str,
        *,
        image: Picture,
        limit: int,
        similarity: float,
        quality_filter: str,
    ) -> Answer[UserSearch]:
        """Search by the largest face of an image that passes the filter, if there is one.

        No template is made of any other face.

        Raises:
            CollectionNotFound, ImageError, ObjectError, ReviewError.
        """
        with self.permitted(
            caller, "identify-1toN", gallery=collection, subjects=named(caller)
        ) as permit:
            with self.instance.database.read() as session:
                gallery = self.searchable(session, caller, collection)
                self.require_reviewable(session, permit, gallery)
            pixels = self.decode(image, permit)
            faces = self.analyze([pixels], permit, templates=False)[0]
            chosen = next((face for face in faces if fit(face, quality_filter)), None)
            others = [
                (seen(face, pixels), _why_not(face, quality_filter))
                for face in faces
                if face is not chosen
            ]
            if chosen is None:
                self._searched_users(permit, ())
                return answer(permit, self._found(None, (), others))
            template = template_of(self.with_template(pixels, chosen, permit))
            candidates, floor = self._search_users(
                caller, permit, gallery, [template], limit, similarity
            )
            looked_at = seen(chosen, pixels)
            shown = self.probe_of(pixels, chosen, permit)
            sealed = self.seal_if_asked(caller, permit, gallery, candidates, probe=shown)
            if sealed is not None:
                told = self._found(looked_at, (), others)
                return self.sealed_answer(permit, told, sealed, floor=floor)
            self._searched_users(permit, candidates)
            return answer(permit, self._found(looked_at, candidates, others), floor=floor)

    def _search_users(
        self,
        caller: Caller,
        permit: Permit,
        gallery: Collection,
        templates: Sequence[Template],
        limit: int,
        similarity: float,
        without: Iterable[str] = (),
    ) -> tuple[list[UserCandidate], Floor]:
        instance = self.instance
        obligations = strictest(permit)
        limit = int(min(limit, obligations.get("max-candidates", MOST_CANDIDATES)))
        calibration = instance.pack.calibration
        vectors = instance.pack.probe_vectors(np.stack(templates), permit=permit)
        absent = set(without)
        unusable: set[str] = set()
        depth = min(2 * limit + 8, MOST_CANDIDATES)
        with self.times.of("search"), instance.database.read() as session:
            aim = self.aim_of(session, gallery, probes=len(templates))
            floor = floor_of(permit, calibration, similarity, aim)
            least = calibration.score_at(floor.fmr) - 1e-6  # a little less: the rate itself decides
            while True:
                near = self._nearest_users(
                    session, gallery, vectors, depth, absent | unusable, permit
                )
                rated = [(hit, calibration.rate(hit.score)) for hit in near if hit.score >= least]
                rated = [(hit, rate) for hit, rate in rated if rate.fmr <= floor.fmr]
                found = instance.store.fetch_faces(
                    session, gallery.id, [hit.id for hit, _ in rated], permit=permit
                )
                usable = self.usable(session, caller, gallery.name, found)
                candidates, passed = _split(rated, usable, limit)
                if not passed or len(unusable) > MOST_CANDIDATES:
                    return candidates, floor
                # Whose best face may not be used now is searched again by the others.
                unusable.update(hit.id for hit in passed)
                unusable |= self._unusable(session, caller, gallery, passed, permit)
                depth = min(4 * depth, MOST_CANDIDATES)

    def _nearest_users(
        self,
        session: Session,
        gallery: Collection,
        vectors: NDArray[np.float32],
        depth: int,
        without: set[str],
        permit: Permit,
    ) -> list[GroupHit]:
        # Of several probes of one person the best counts; each user once.
        best: dict[str, GroupHit] = {}
        for hits in self.instance.indexes.search_users(
            session, gallery.id, vectors, depth, without=without, permit=permit
        ):
            for hit in hits:
                if hit.group not in best or hit.score > best[hit.group].score:
                    best[hit.group] = hit
        return sorted(best.values(), key=lambda hit: (-hit.score, hit.group))[:depth]

    def _unusable(
        self,
        session: Session,
        caller: Caller,
        gallery: Collection,
        passed: Sequence[GroupHit],
        permit: Permit,
    ) -> set[str]:
        # Often it is all faces of a user that may not be used: spare a search for each of them.
        users = [hit.group for hit in passed[:_USERS_AT_ONCE]]
        ids = self.instance.users.faces_in(session, users, permit=permit)
        found = self.instance.store.fetch_faces(session, gallery.id, ids, permit=permit)
        return set(ids) - self.usable(session, caller, gallery.name, found).keys()

    def _searched_users(
        self, permit: Permit, candidates: Sequence[UserCandidate], probe: StoredFace | None = None
    ) -> None:
        # Whose face was searched for, where that is on record, stands before the candidates.
        concerned = [probe.subject] if probe else []
        concerned += [candidate.record.subject for candidate in candidates]
        with self.instance.database.read() as session:
            known = self.known(session, concerned)
        counts = {"candidates": len(candidates), "probes": int(probe is not None)}
        self.done(permit, "searched", subjects=known, counts=counts)

    def _found(
        self,
        probe: DetectedFace | None,
        candidates: Sequence[UserCandidate],
        unsearched: Unsearched,
    ) -> UserSearch:
        return UserSearch(
            probe=probe,
            candidates=candidates,
            unsearched=unsearched,
            model_version=self.model_version,
        )


def _split(
    rated: Sequence[tuple[GroupHit, MatchRate]], usable: dict[str, StoredFace], limit: int
) -> tuple[list[UserCandidate], list[GroupHit]]:
    """The first `limit` candidates, and those before them that are passed over."""
    candidates: list[UserCandidate] = []
    passed: list[GroupHit] = []
    for hit, rate in rated:
        face = usable.get(hit.id)
        if face is None or face.user is None or face.user_id != hit.group:
            passed.append(hit)
        else:
            candidates.append(
                UserCandidate(
                    user=UserRecord(user_id=face.user, faces=True),
                    record=record_of(face, face.subject),
                    similarity=similarity_of(rate.fmr),
                    fmr=rate.fmr,
                    extrapolated=rate.extrapolated,
                )
            )
        if len(candidates) == limit:
            break
    return candidates, passed


def _why_not(face: Face, quality_filter: str) -> list[str]:
    return ["face-not-largest"] if fit(face, quality_filter) else list(face.quality.reasons)
