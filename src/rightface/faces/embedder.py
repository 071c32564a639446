"""Makes templates: dlib's 29-layer face network (King 2017), run by ONNX Runtime in 8 bits.

Never knows how a face was found, law or storage.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rightface.faces.align import CHIP_SIDE
from rightface.faces.face import Templates
from rightface.faces.image import Pixels
from rightface.faces.sessions import Model
from rightface.permit import Permit, Touch, require

DIMENSION = 128
BATCH = 16
"""Chips that go through the network together; beyond this a CPU gains nothing."""


class Embedder:
    """dlib's network behind one method. Thread-safe, as its model is."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def templates(self, chips: Sequence[Pixels], *, permit: Permit) -> Templates:
        """One template for each (150, 150, 3) chip: (n, 128), of unit length.

        Each is the mean of the descriptors of the chip and of its mirror image.

        Raises:
            PermitError: `permit` does not cover TEMPLATE.
        """
        require(permit, Touch.TEMPLATE)
        made = np.empty((len(chips), DIMENSION), np.float32)
        half = BATCH // 2
        for start in range(0, len(chips), half):
            some = np.stack(chips[start : start + half])
            described = self.describe(np.concatenate([some, some[:, :, ::-1]]), permit=permit)
            made[start : start + half] = described[: len(some)] + described[len(some) :]
        lengths = np.linalg.norm(made, axis=1, keepdims=True)
        made /= np.maximum(lengths, np.finfo(np.float32).tiny)
        return made

    def describe(self, chips: Pixels, *, permit: Permit) -> Templates:
        """The network's descriptors of (n, 150, 150, 3) chips: (n, 128), not of unit length.

        Raises:
            PermitError: `permit` does not cover TEMPLATE.
        """
        require(permit, Touch.TEMPLATE)
        assert chips.shape[1:] == (CHIP_SIDE, CHIP_SIDE, 3)
        return self._model.run(["templates"], {"chips": np.ascontiguousarray(chips)})[0]
