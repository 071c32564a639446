"""The tester's door: comparisons of the tester's own photographs, for measuring how well it works.

Wash. Rev. Code 43.386.050 asks whoever supplies agencies for an interface by which others can test
for accuracy and for unfair differences. Nothing is enrolled and nothing kept: photographs and
templates end with the request, and the results are the tester's. Must never know: a wire format, a
command line.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from rightface.errors import ImageError, RequestError
from rightface.faces.calibration import similarity as similarity_of
from rightface.faces.face import Face
from rightface.permit import Permit
from rightface.service.desk import Desk, answer, template_of
from rightface.service.sight import seen
from rightface.service_types import (
    Answer,
    Caller,
    Sample,
    SampleComparison,
    SampleResult,
)

MOST_SAMPLES = 64
MOST_COMPARISONS = MOST_SAMPLES * (MOST_SAMPLES - 1) // 2
NO_FACE = "no-face"


class IndependentTests(Desk):
    """Photographs against photographs, all of them the tester's."""

    def compare_samples(
        self,
        caller: Caller,
        images: Sequence[bytes],
        pairs: Sequence[tuple[int, int]] | None = None,
    ) -> Answer[SampleResult]:
        """Compare the largest faces of photographs with each other. The gate is asked once.

        A photograph without a face, or one that cannot be read, is a failure to acquire: it is told
        as such, and so are its comparisons.

        Args:
            caller: of a licence for measure-accuracy that says how much it may ask.
            images: the photographs, at most 64.
            pairs: probe and reference by their places in `images`; None: each with each, once.

        Raises:
            RequestError: too many, none, a place that there is not, or a licence without volumes.
            Refused: the gate said no.
            Overloaded: a photograph is large, and there is no room for more of these.
        """
        _require_volumes(caller)
        asked = _checked(len(images), pairs)
        with self.permitted(caller, "measure-accuracy") as permit:
            looked = [self._sample(image, permit) for image in images]
            samples = [sample for sample, _ in looked]
            faces = {place: face for place, (_, face) in enumerate(looked) if face is not None}
            compared = self._sample_comparisons(faces, asked, permit)
            counts = {
                "images": len(images),
                "faces": len(faces),
                "comparisons": sum(1 for one in compared if one.fmr is not None),
            }
            self.done(permit, "measured", counts=counts)
            pack = self.instance.pack
            measured = pack.calibration.provenance
            value = SampleResult(
                pack=pack.id,
                pack_digest=pack.digest,
                comparison=measured.comparison,
                comparison_digest=measured.comparison_digest,
                samples=samples,
                comparisons=compared,
            )
            return answer(permit, value)

    def _sample(self, image: bytes, permit: Permit) -> tuple[Sample, Face | None]:
        try:
            pixels = self.decode(image, permit)
        except ImageError as error:
            return Sample(failure=error.code), None
        found = self.analyze([pixels], permit, max_faces=1)[0]
        if not found:
            return Sample(failure=NO_FACE), None
        return Sample(face=seen(found[0], pixels)), found[0]

    def _sample_comparisons(
        self, faces: dict[int, Face], asked: Sequence[tuple[int, int]], permit: Permit
    ) -> list[SampleComparison]:
        if not faces:
            return [SampleComparison(probe=a, reference=b) for a, b in asked]
        place = {image: row for row, image in enumerate(faces)}
        templates = np.stack([template_of(face) for face in faces.values()])
        pack = self.instance.pack
        scores = pack.compare_all(templates, templates, permit=permit)
        told = []
        for a, b in asked:
            if a not in place or b not in place:
                told.append(SampleComparison(probe=a, reference=b))
                continue
            rate = pack.calibration.rate(float(scores[place[a], place[b]]))
            told.append(
                SampleComparison(
                    probe=a,
                    reference=b,
                    score=-math.log10(rate.fmr) + 0.0,
                    similarity=similarity_of(rate.fmr),
                    fmr=rate.fmr,
                    extrapolated=rate.extrapolated,
                )
            )
        return told


def _require_volumes(caller: Caller) -> None:
    licence = caller.licence
    if licence.per_second is None and licence.per_day is None:
        raise RequestError(
            "A licence for testing says how much it may ask; this one does not.",
            why="Without a limit anybody who holds it can learn the model from its answers.",
            mend="Ask for a licence with volumes: rightface licence issue --per-day N …",
        )


def _checked(images: int, pairs: Sequence[tuple[int, int]] | None) -> Sequence[tuple[int, int]]:
    if not 1 <= images <= MOST_SAMPLES:
        raise RequestError(f"A request has 1 to {MOST_SAMPLES} photographs.")
    if pairs is None:
        return [(a, b) for a in range(images) for b in range(a + 1, images)]
    if len(pairs) > MOST_COMPARISONS:
        raise RequestError(f"A request has at most {MOST_COMPARISONS:,} comparisons.")
    if any(not (0 <= a < images and 0 <= b < images) for a, b in pairs):
        raise RequestError(
            "A pair names a photograph that is not in the request.", mend="The first one is 0."
        )
    return list(pairs)
