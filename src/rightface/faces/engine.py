"""From pixels to faces: detection, alignment, quality, templates, behind one thread-safe door.

Models are shared by the process (see `sessions`), so engines are cheap.
Never knows law, storage or wire formats.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rightface.faces import align, quality, ranges
from rightface.faces.detector import Detection, Detector
from rightface.faces.embedder import Embedder
from rightface.faces.face import Face, Template
from rightface.faces.image import Pixels
from rightface.faces.packs import CENTERFACE, DLIB_FACE_NETWORK, ModelPack
from rightface.faces.sessions import model
from rightface.permit import Permit, Touch, require

_log = logging.getLogger(__name__)


class Engine:
    """Finds faces and makes their templates, as a model pack says."""

    def __init__(self, pack: ModelPack, *, cache: Path, threads: int, detector_side: int) -> None:
        """Opens the models; the first time on a machine it converts them, a second or so.

        Args:
            cache: directory for converted models; may be emptied at any time.
            threads: how many threads one inference uses, at least 1.
            detector_side: longest side, in pixels, at which faces are looked for.

        Raises:
            WeightsError: weights are missing or not those of the pack.
        """
        self.pack = pack
        self.detector_side = detector_side
        opened = partial(model, cache=cache, threads=threads, recipe=ranges.SHA256)
        self.detector = Detector(opened(CENTERFACE, _build_detector), side=detector_side)
        self.embedder = Embedder(opened(DLIB_FACE_NETWORK, _build_face_network))

    def analyze(
        self,
        images: Sequence[Pixels],
        *,
        permit: Permit,
        templates: bool = True,
        max_faces: int = 100,
    ) -> list[list[Face]]:
        """For each image its faces, the largest first, at most `max_faces`.

        Args:
            images: (height, width, 3) RGB, upright, as `image.decode` gives them.
            templates: also make templates; without, `Face.template` is None.

        Raises:
            PermitError: `permit` does not cover DETECT, or with `templates` TEMPLATE.
        """
        require(permit, Touch.DETECT)
        if templates:
            require(permit, Touch.TEMPLATE)
        found = self.detector.detect(images, permit=permit, max_faces=max_faces)
        seen = [
            (detection, align.chip(image, detection.landmarks, permit=permit))
            for image, detections in zip(images, found, strict=True)
            for detection in detections
        ]
        made = None
        if templates and seen:
            made = self.embedder.templates([chip for _, chip in seen], permit=permit)
        faces = iter(
            [
                _face(detection, chip, made[row] if made is not None else None, permit)
                for row, (detection, chip) in enumerate(seen)
            ]
        )
        return [[next(faces) for _ in detections] for detections in found]

    def crop(self, image: Pixels, face: Face, *, permit: Permit) -> Pixels:
        """The aligned face that its template was made from: (150, 150, 3) RGB.

        Raises:
            PermitError: `permit` does not cover DETECT.
        """
        require(permit, Touch.DETECT)
        return align.chip(image, face.landmarks, permit=permit)


def _build_detector(data: bytes) -> bytes:
    from rightface.faces.graph import detector_graph  # noqa: PLC0415  # imports onnx: 0.3 s

    return _in_eight_bits(ranges.DETECTOR, detector_graph(data))


def _build_face_network(data: bytes) -> bytes:
    from rightface.faces.dat import read_network  # noqa: PLC0415
    from rightface.faces.graph import face_network_graph  # noqa: PLC0415  # imports onnx: 0.3 s

    return _in_eight_bits(ranges.FACE_NETWORK, face_network_graph(read_network(data)))


def _in_eight_bits(network: str, graph: bytes) -> bytes:
    from rightface.faces.quantised import quantised  # noqa: PLC0415

    made = quantised(graph, ranges.shipped(network))
    if hashlib.sha256(made).hexdigest() != ranges.GRAPHS[network]:
        _log.warning(
            "this ONNX Runtime brings the %s to 8 bits otherwise than the one that accuracy was "
            "measured with: landmarks and templates may differ a little. Install the version that "
            "constraints.txt names.",
            network,
        )
    return made


def _face(detection: Detection, chip: Pixels, template: Template | None, permit: Permit) -> Face:
    measured = quality.measure(chip, detection.landmarks, score=detection.score, permit=permit)
    return Face(
        box=detection.box,
        score=detection.score,
        landmarks=detection.landmarks,
        quality=measured,
        template=template,
    )
