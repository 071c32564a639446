"""Detection, and verification 1:1."""

from __future__ import annotations

from collections.abc import Sequence

from rightface.faces.calibration import similarity as similarity_of
from rightface.faces.face import Face
from rightface.faces.image import Pixels
from rightface.permit import Permit
from rightface.service.desk import Desk, answer, named, template_of
from rightface.service.floors import floor_of
from rightface.service.sight import fit, seen
from rightface.service_types import Answer, Caller, Comparison, DetectedFace, Match, Picture


class Verification(Desk):
    """Faces in one image, and a face against a face."""

    def detect_faces(self, caller: Caller, image: Picture) -> Answer[Sequence[DetectedFace]]:
        """Find faces, largest first. No template is derived. Raises ImageError."""
        with self.permitted(caller, "detect", subjects=named(caller)) as permit:
            pixels = self.decode(image, permit)
            faces = self.analyze([pixels], permit, templates=False)[0]
            self.done(permit, "detected", counts={"faces": len(faces)})
            return answer(permit, [seen(face, pixels) for face in faces])

    def compare_faces(
        self,
        caller: Caller,
        *,
        source: Picture,
        target: Picture,
        similarity: float,
        quality_filter: str = "NONE",
    ) -> Answer[Comparison]:
        """Compare the largest face of one image with each of another. Raises NoFace, ImageError."""
        with self.permitted(caller, "verify-1to1", subjects=named(caller)) as permit:
            probe_pixels, pixels = self.decode(source, permit), self.decode(target, permit)
            probe = self.one_face(probe_pixels, permit, quality_filter)
            faces = [
                face for face in self.analyze([pixels], permit)[0] if fit(face, quality_filter)
            ]
            fmr = floor_of(permit, self.instance.pack.calibration, similarity).fmr
            compared = [self._match(probe, face, pixels, permit) for face in faces]
            compared.sort(key=lambda match: match.fmr)
            matches = [match for match in compared if match.fmr <= fmr]
            unmatched = [match.face for match in compared if match.fmr > fmr]
            counts = {"matches": len(matches), "unmatched": len(unmatched)}
            self.done(permit, "compared", counts=counts)
            value = Comparison(
                source=seen(probe, probe_pixels),
                matches=matches,
                unmatched=unmatched,
                best=compared[0] if compared else None,
            )
            return answer(permit, value, fmr=fmr)

    def _match(self, probe: Face, face: Face, pixels: Pixels, permit: Permit) -> Match:
        pack = self.instance.pack
        score = pack.compare(template_of(probe), template_of(face), permit=permit)
        rate = pack.calibration.rate(score)
        return Match(
            face=seen(face, pixels),
            similarity=similarity_of(rate.fmr),
            fmr=rate.fmr,
            extrapolated=rate.extrapolated,
        )
