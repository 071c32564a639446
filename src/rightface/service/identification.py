"""Identification, 1:N: candidates are leads, and only of people whose consent stands now."""

from __future__ import annotations

from collections.abc import Sequence

from rightface.errors import FaceNotFound
from rightface.faces.calibration import similarity as similarity_of
from rightface.faces.face import Template
from rightface.gallery.store import Collection, StoredFace
from rightface.permit import Permit
from rightface.service.desk import (
    answer,
    named,
    record_of,
    strictest,
    template_of,
)
from rightface.service.floors import floor_of
from rightface.service.leads import MOST_CANDIDATES
from rightface.service.review import Reviews
from rightface.service.sight import seen
from rightface.service_types import (
    Answer,
    Caller,
    Candidate,
    DetectedFace,
    Floor,
    Picture,
    SearchResult,
)


class Identification(Reviews):
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
                self.require_reviewable(session, permit, gallery)
                found = self.instance.store.fetch_faces(
                    session, gallery.id, [face_id], permit=permit
                )
                if not self.usable(session, caller, collection, found):
                    raise FaceNotFound("There is no such face that may be used here and now.")
                template = self.instance.vault.open_template(
                    session, face_id, gallery.id, permit=permit
                )
                shown = self.enrolled_probe(session, found[face_id], permit)
            if template is None:
                raise FaceNotFound("There is no such face that may be used here and now.")
            candidates, floor = self._search(
                caller, permit, gallery, template, limit, similarity, probe=found[face_id]
            )
            sealed = self.seal_if_asked(caller, permit, gallery, candidates, probe=shown)
            if sealed is not None:
                return self.sealed_answer(permit, self._result(None, ()), sealed, floor=floor)
            self._searched(permit, candidates, probe=found[face_id])
            return answer(permit, self._result(None, candidates), floor=floor)

    def search_faces_by_image(
        self,
        caller: Caller,
        collection: str,
        *,
        image: Picture,
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
                self.require_reviewable(session, permit, gallery)
            pixels = self.decode(image, permit)
            face = self.one_face(pixels, permit, quality_filter)
            candidates, floor = self._search(
                caller, permit, gallery, template_of(face), limit, similarity
            )
            looked_at = seen(face, pixels)
            shown = self.probe_of(pixels, face, permit)
            sealed = self.seal_if_asked(caller, permit, gallery, candidates, probe=shown)
            if sealed is not None:
                return self.sealed_answer(permit, self._result(looked_at, ()), sealed, floor=floor)
            self._searched(permit, candidates)
            return answer(permit, self._result(looked_at, candidates), floor=floor)

    def _search(
        self,
        caller: Caller,
        permit: Permit,
        gallery: Collection,
        template: Template,
        limit: int,
        similarity: float,
        probe: StoredFace | None = None,
    ) -> tuple[list[Candidate], Floor]:
        instance = self.instance
        obligations = strictest(permit)
        limit = int(min(limit, obligations.get("max-candidates", MOST_CANDIDATES)))
        calibration = instance.pack.calibration
        vectors = instance.pack.probe_vectors(template[None], permit=permit)
        but = None if probe is None else probe.face_id
        candidates: list[Candidate] = []
        with self.times.of("search"), instance.database.read() as session:
            aim = self.aim_of(session, gallery)
            floor = floor_of(permit, calibration, similarity, aim)
            least = calibration.score_at(floor.fmr) - 1e-6  # a little less: the rate itself decides
            # Some of the nearest may have no standing consent: then look further.
            for depth in (2 * limit + 8, MOST_CANDIDATES):
                k = min(depth, MOST_CANDIDATES)
                hits = instance.indexes.search(session, gallery.id, vectors, k, permit=permit)[0]
                close = [hit for hit in hits if hit.score >= least and hit.id != but]
                rates = {hit.id: calibration.rate(hit.score) for hit in close}
                near = [face_id for face_id, rate in rates.items() if rate.fmr <= floor.fmr]
                found = instance.store.fetch_faces(session, gallery.id, near, permit=permit)
                usable = self.usable(session, caller, gallery.name, found)
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
        return candidates, floor

    def _searched(
        self, permit: Permit, candidates: Sequence[Candidate], probe: StoredFace | None = None
    ) -> None:
        # Whose face was searched for, where that is on record, stands before the candidates.
        concerned = [probe.subject] if probe else []
        concerned += [candidate.record.subject for candidate in candidates]
        with self.instance.database.read() as session:
            known = self.known(session, concerned)
        counts = {"candidates": len(candidates), "probes": int(probe is not None)}
        self.done(permit, "searched", subjects=known, counts=counts)

    def _result(self, probe: DetectedFace | None, candidates: Sequence[Candidate]) -> SearchResult:
        return SearchResult(probe=probe, candidates=candidates, model_version=self.model_version)
