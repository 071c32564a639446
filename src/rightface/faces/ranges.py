"""How far each tensor of a network reaches: what its 8 bits stand for.

The least and greatest number that a tensor took on some hundred photographs, measured by
`benchmarks/tensor_ranges.py`: extremes of a network's insides, nothing of a person. The pack's
digest covers the file. Never knows graphs, images, sessions, law or storage.
"""

from __future__ import annotations

import hashlib
import json
from importlib.resources import files

from rightface.errors import WeightsError

FILE = "ranges.json"
SHA256 = "8835992f500a0619e7c51821dd6367ad792bdf94d3ba8dfe3106378dac0ab275"
"""Of the file, hex: templates made with other ranges are other templates."""
DETECTOR, FACE_NETWORK = "detector", "face-network"
GRAPHS = {
    DETECTOR: "212ec0e8d833c5fb256ca6b224b9b0ce84316db47ae0041a98070ce64c2b69f2",
    FACE_NETWORK: "c282249335e414a5ff41d243d31b391fef45f3f8b1337a2c5ee055c123628817",
}
"""SHA-256, hex, of the networks in 8 bits that accuracy was measured with (ONNX Runtime 1.31.1)."""
Ranges = dict[str, tuple[float, float]]
"""Tensor → (least, greatest)."""


def shipped(network: str) -> Ranges:
    """The ranges of one network, as this release ships them.

    Raises:
        WeightsError: the file is missing, damaged, or not the one that was measured with.
    """
    try:
        data = (files("rightface.faces") / FILE).read_bytes()
    except OSError as error:
        raise WeightsError(
            "The ranges of the networks are missing.", mend="Install rightface again."
        ) from error
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise WeightsError(
            "The ranges of the networks are not those that this model pack was measured with.",
            why="Their SHA-256 differs.",
            mend="Install rightface again.",
        )
    told = json.loads(data)["networks"][network]
    return {tensor: (float(least), float(greatest)) for tensor, (least, greatest) in told.items()}
