"""Identification, 1:N: candidates are leads, and only of people whose consent stands now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from rightface.errors import FaceNotFound
from rightface.faces.calibration import fmr_of_similarity
from rightface.faces.calibration import similarity as similarity_of
from rightface.faces.face import Template
from rightface.gallery.store import Collection, StoredFace
from rightface.law import consents
from rightface.law.world import CONSENT
from rightface.permit import Permit
from rightface.service.desk import (
    Desk,
    answer,
    named,
    purpose_of,
    record_of,
    strictest,
    template_of,
)
from rightface.service.sight import seen
from rightface.service_types import Answer, Caller, Candidate, DetectedFace, SearchResult

MOST_CANDIDATES = 4096


class Identification(Desk):
    """Probes against galleries."""

    def search_faces(
        self, caller: Caller, collection: str, *, face_id: str, limit: int, similarity: float
    ) -> Answer[SearchResult]:
        """Search by an enrolled face; it is not its own candidate. Raises FaceNotFound."""
        with self.permitted(
            caller, "identify-1toN", gallery=collection, subjects=named(caller)
        ) as permit:
            with self.instance.database.read() as session:
                gallery = self.searchable(session, caller, collection)
                found = self.instance.store.fetch_faces(
                    session, gallery.id, [face_id], permit=permit
                )
                if not self._usable(session, caller, collection, found):
                    raise FaceNotFound("There is no such face that may be used here and now.")
                template = self.instance.vault.open_template(
                    session, face_id, gallery.id, permit=permit
                )
            if template is None:
                raise FaceNotFound("There is no such face that may be used here and now.")
            candidates, fmr = self._search(
                caller, permit, gallery, template, limit, similarity, probe=found[face_id]
            )
            return answer(permit, self._result(None, candidates), fmr=fmr)

    def search_faces_by_image(
        self,
        caller: Caller,
        collection: str,
        *,
        image: bytes,
        limit: int,
        similarity: float,
        quality_filter: str,
    ) -> Answer[SearchResult]:
        """Search by the largest face of an image. Raises NoFace, CollectionNotFound, ImageError."""
        with self.permitted(
            caller, "identify-1toN", gallery=collection, subjects=named(caller)
        ) as permit:
            with self.instance.database.read() as session:
                gallery = self.searchable(session, caller, collection)
            pixels = self.decode(image)
            face = self.one_face(pixels, permit, quality_filter)
            candidates, fmr = self._search(
                caller, permit, gallery, template_of(face), limit, similarity
            )
            return answer(permit, self._result(seen(face, pixels), candidates), fmr=fmr)

    def _search(
        self,
        caller: Caller,
        permit: Permit,
        gallery: Collection,
        template: Template,
        limit: int,
        similarity: float,
        probe: StoredFace | None = None,
    ) -> tuple[list[Candidate], float]:
        instance = self.instance
        obligations = strictest(permit)
        limit = int(min(limit, obligations.get("max-candidates", MOST_CANDIDATES)))
        fmr = min(fmr_of_similarity(similarity), obligations.get("similarity-floor", 1.0))
        calibration = instance.pack.calibration
        least = calibration.score_at(fmr) - 1e-6  # a little less: the rate itself decides
        vectors = instance.pack.probe_vectors(template[None], permit=permit)
        but = None if probe is None else probe.face_id
        candidates: list[Candidate] = []
        with self.times.of("search"), instance.database.read() as session:
            # Some of the nearest may have no standing consent: then look further.
            for depth in (2 * limit + 8, MOST_CANDIDATES):
                k = min(depth, MOST_CANDIDATES)
                hits = instance.indexes.search(session, gallery.id, vectors, k, permit=permit)[0]
                close = [hit for hit in hits if hit.score >= least and hit.id != but]
                rates = {hit.id: calibration.rate(hit.score) for hit in close}
                near = [face_id for face_id, rate in rates.items() if rate.fmr <= fmr]
                found = instance.store.fetch_faces(session, gallery.id, near, permit=permit)
                usable = self._usable(session, caller, gallery.name, found)
                candidates = [
                    Candidate(
                        record=record_of(usable[each], usable[each].subject),
                        similarity=similarity_of(rates[each].fmr),
                        fmr=rates[each].fmr,
                        extrapolated=rates[each].extrapolated,
                    )
                    for each in near
                    if each in usable
                ][:limit]
                nothing_further = len(hits) < k or hits[-1].score < least or k == MOST_CANDIDATES
                if len(candidates) == limit or nothing_further:
                    break
            # Whose face was searched for, where that is on record, stands before the candidates.
            concerned = [probe.subject] if probe else []
            concerned += [candidate.record.subject for candidate in candidates]
            known = tuple(
                instance.vault.commitment(session, each)
                for each in dict.fromkeys(concerned)
                if each is not None
            )
        counts = {"candidates": len(candidates), "probes": int(probe is not None)}
        self.done(permit, "searched", subjects=known, counts=counts)
        return candidates, fmr

    def _usable(
        self, session: Session, caller: Caller, gallery: str, faces: Mapping[str, StoredFace]
    ) -> dict[str, StoredFace]:
        """Those faces that may be used now: kept no longer than allowed, and on a standing basis.

        Consent, where the face was enrolled on it or the caller relies on it; else the purpose that
        the face was enrolled for.
        """
        now = datetime.now(UTC)
        kept = {face_id: face for face_id, face in faces.items() if face.kept(now)}
        purpose = purpose_of(caller) or ""
        by_consent = {
            face_id
            for face_id, face in kept.items()
            if CONSENT in (face.basis, caller.licence.basis)
        }
        references = {kept[face_id].subject for face_id in by_consent}
        covered = consents.covering(
            session,
            self.instance.keyring,
            {subject for subject in references if subject},
            purpose=purpose,
            gallery=gallery,
            client=caller.licence.client,
            at=now,
        )
        return {
            face_id: face
            for face_id, face in kept.items()
            if (face.subject in covered if face_id in by_consent else face.purpose == purpose)
        }

    def _result(self, probe: DetectedFace | None, candidates: Sequence[Candidate]) -> SearchResult:
        return SearchResult(probe=probe, candidates=candidates, model_version=self.model_version)
