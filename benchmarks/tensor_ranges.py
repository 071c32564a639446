"""How far each tensor of both networks reaches: makes faces/ranges.json.

    python benchmarks/tensor_ranges.py [--photographs N] [--write FILE]

Both networks run in floating point on photographs of all four labelled sets, and on parts of them
at several sizes; the least and the greatest number that each tensor took are what its 8 bits stand
for. A file with other numbers makes other templates: put its SHA-256 into faces/ranges.py, raise
the pack's id, and measure everything anew (`make refit`).
"""

from __future__ import annotations

import argparse
import json
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.progress import track

from instance import temporary_instance
from labelled import photographs, portions, require_photographs
from rightface.faces import align, ranges
from rightface.faces.dat import read_network
from rightface.faces.detector import MULTIPLE, PATCH_SIDE, Detector
from rightface.faces.graph import detector_graph, face_network_graph
from rightface.faces.image import Pixels, decode
from rightface.faces.packs import CENTERFACE, DLIB_FACE_NETWORK
from rightface.faces.quantised import activations
from rightface.faces.sessions import Model

SETS = ("congress", "lfw", "london", "utkface")
SIDES = (64, 96, 160, 224, 320)
"""Longest sides at which the detector sees them, in turn."""
PORTION = 20


def opened(graph: bytes) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


class Reach:
    """The least and the greatest number of every tensor of one network."""

    def __init__(self, graph: bytes) -> None:
        session = opened(activations(graph))
        [self._input] = [one.name for one in session.get_inputs()]
        self._names = [one.name for one in session.get_outputs()]
        self._session = session
        self.found: dict[str, tuple[float, float]] = {}

    def see(self, pixels: Pixels) -> None:
        """Widen the ranges by what (n, height, width, 3) images make of the tensors."""
        made = self._session.run(self._names, {self._input: pixels})
        for name, numbers in zip(self._names, made, strict=True):
            least, greatest = self.found.get(name, (0.0, 0.0))  # zero itself is always in range
            self.found[name] = (
                min(least, float(numbers.min())),
                max(greatest, float(numbers.max())),
            )


def measured(count: int) -> dict[str, Any]:
    """The ranges of both networks, on `count` photographs of each set."""
    detector = Reach(detector_graph(CENTERFACE.read()))
    network = Reach(face_network_graph(read_network(DLIB_FACE_NETWORK.read())))
    finder = Detector(
        Model(opened(detector_graph(CENTERFACE.read())), threading.BoundedSemaphore()), side=640
    )
    with temporary_instance() as instance:
        for data_set in SETS:
            shown = photographs(data_set)
            chosen = np.random.default_rng(0).permutation(len(shown))[:count]
            picked = [shown[place].path for place in chosen]
            for some in track(list(portions(picked, PORTION)), data_set):
                with instance.permitted("measure-accuracy") as permit:
                    for place, path in enumerate(some):
                        image = decode(path.read_bytes())
                        detector.see(_padded(_sized(image, SIDES[place % len(SIDES)])))
                        [faces] = finder.detect([image], permit=permit, max_faces=1)
                        if not faces:
                            continue
                        chip = align.chip(image, faces[0].landmarks, permit=permit)
                        network.see(np.stack([chip, chip[:, ::-1]]))
                        detector.see(_sized(chip, PATCH_SIDE)[None])
    return {
        "measured_on": datetime.now(UTC).date().isoformat(),
        "photographs": {data_set: min(count, len(photographs(data_set))) for data_set in SETS},
        "networks": {
            name: {tensor: list(reach) for tensor, reach in sorted(of.found.items())}
            for name, of in ((ranges.DETECTOR, detector), (ranges.FACE_NETWORK, network))
        },
    }


def _sized(image: Pixels, side: int) -> Pixels:
    height, width = image.shape[:2]
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))


def _padded(image: Pixels) -> NDArray[np.uint8]:
    rows, columns = (-(-side // MULTIPLE) * MULTIPLE for side in image.shape[:2])
    made = np.zeros((1, rows, columns, 3), np.uint8)
    made[0, : image.shape[0], : image.shape[1]] = image
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--photographs", type=int, default=80, help="of each set (80)")
    parser.add_argument("--write", type=Path, help="where the file goes; without, a summary only")
    given = parser.parse_args()
    require_photographs()
    told = measured(given.photographs)
    console = Console()
    for name, tensors in told["networks"].items():
        widest = max(greatest - least for least, greatest in tensors.values())
        console.print(f"{name}: {len(tensors)} tensors, the widest {widest:.4g}")
    if given.write:
        given.write.write_text(json.dumps(told, indent=1) + "\n", "utf-8")
        console.print(f"Written: {given.write.name}")


if __name__ == "__main__":
    main()
