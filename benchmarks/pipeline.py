"""From the bytes of a photograph to a template: how fast and how well, beside face_recognition.

    python benchmarks/pipeline.py [--images N] [--pairs N] [--json FILE]

Speed: the same photographs on one thread and on two, decode to template. Accuracy: the labelled
pairs of LFW's View 2, folds 1–5 (`--pairs 3000`, the default, takes some ten minutes; fewer pairs
say less). face_recognition is optional: pip install --no-deps face_recognition, and dlib-bin.
LFW is known for wrong labels and imbalance; figures from it are for comparison only.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import sys
import time
import types
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from instance import TemporaryInstance, temporary_instance
from labelled import Pair, lfw_pairs, named_face, photographs, portions, require_photographs
from rightface.faces import align, quality
from rightface.faces.engine import Engine
from rightface.faces.image import decode
from rightface.faces.packs import load_pack

Vector = NDArray[np.float64]
Describe = Callable[[Sequence[Path]], list[Vector | None]]
"""The vectors of the central (or only) face of each photograph; None where no face was found."""

THREADS = (1, 2)
PORTION = 25
FOLDS = 5
RIVAL = "face_recognition"


@dataclass(frozen=True, kw_only=True)
class Contender:
    """Something that turns photographs into vectors whose inner product or distance compares."""

    name: str
    describe: Callable[[int], Describe]
    """For so many threads."""
    score: Callable[[Vector, Vector], float]
    most_threads: int = max(THREADS)


@dataclass(frozen=True, kw_only=True)
class Speed:
    contender: str
    data_set: str
    threads: int
    images: int
    images_per_second: float
    images_per_cpu_second: float
    """Of processor time: what is left of the machine's other work's noise."""


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    contender: str
    pairs: int
    photographs: int
    failures_to_acquire: int
    accuracy: float
    """Mean over the folds, the threshold chosen on the others."""
    tar_at_fmr_1e_2: float
    tar_at_fmr_1e_3: float
    all_pairs_tar_at_fmr_1e_3: float
    """Every pair of the photographs, not the labelled pairs alone: far less noise."""


# ---------------------------------------------------------------- the contenders
def ours(instance: TemporaryInstance, cache: Path, *, max_faces: int) -> Contender:
    def describe(threads: int) -> Describe:
        engine = Engine(load_pack(), cache=cache, threads=threads, detector_side=640)

        def some(paths: Sequence[Path]) -> list[Vector | None]:
            made: list[Vector | None] = []
            with instance.permitted("measure-accuracy") as permit:
                for path in paths:
                    image = decode(path.read_bytes())
                    [faces] = engine.analyze([image], permit=permit, max_faces=max_faces)
                    height, width = image.shape[:2]
                    face = named_face(faces, width=width, height=height, data_set="lfw")
                    if face is None or face.template is None:
                        made.append(None)
                    else:
                        made.append(face.template.astype(np.float64))
            return made

        return some

    kind = "all faces" if max_faces > 1 else "largest face"
    return Contender(
        name=f"rightface, {kind}", describe=describe, score=lambda one, other: float(one @ other)
    )


def rival() -> Contender | None:
    """face_recognition as its documentation uses it; None where it is not installed."""
    if not all(importlib.util.find_spec(name) for name in (RIVAL, "dlib")):
        return None
    with stand_in_for_pkg_resources():
        import face_recognition

    def some(paths: Sequence[Path]) -> list[Vector | None]:
        made: list[Vector | None] = []
        for path in paths:
            image = face_recognition.load_image_file(path)
            places = face_recognition.face_locations(image)
            vectors = face_recognition.face_encodings(image, places)
            height, width = image.shape[:2]
            away = [
                abs((top + bottom - height) / 2) + abs((left + right - width) / 2)
                for top, right, bottom, left in places
            ]
            made.append(np.asarray(vectors[int(np.argmin(away))]) if places else None)
        return made

    return Contender(
        name=RIVAL,
        describe=lambda _: some,
        score=lambda one, other: -float(np.linalg.norm(one - other)),
        most_threads=1,  # its one detector is everybody's: two threads in it end the process
    )


@contextmanager
def stand_in_for_pkg_resources() -> Iterator[None]:
    """face_recognition_models asks the abandoned pkg_resources for one function; here it is."""
    before = sys.modules.get("pkg_resources")
    stand_in: Any = types.ModuleType("pkg_resources")

    def resource_filename(package: str, name: str) -> str:
        found = importlib.util.find_spec(package)
        assert found is not None
        assert found.origin is not None
        return str(Path(found.origin).parent / name)

    stand_in.resource_filename = resource_filename
    sys.modules["pkg_resources"] = stand_in
    try:
        yield
    finally:
        del sys.modules["pkg_resources"]
        if before is not None:
            sys.modules["pkg_resources"] = before


# ---------------------------------------------------------------- speed
def measure_speed(
    contenders: Sequence[Contender], data_set: str, paths: Sequence[Path]
) -> list[Speed]:
    """Each contender's portions in turn with the others', so that noise hits all alike."""
    measured = []
    for threads in THREADS:
        able = [contender for contender in contenders if contender.most_threads >= threads]
        describes = [contender.describe(threads) for contender in able]
        seconds, busy = [0.0] * len(able), [0.0] * len(able)
        with ThreadPoolExecutor(threads) as pool:
            for describe in describes:
                list(pool.map(describe, [[path] for path in paths[: 2 * threads]]))
            for portion in portions(paths, 2 * PORTION):
                shares = [portion[place::threads] for place in range(threads)]
                for place, describe in enumerate(describes):
                    began, worked = time.perf_counter(), time.process_time()
                    list(pool.map(describe, shares))
                    seconds[place] += time.perf_counter() - began
                    busy[place] += time.process_time() - worked
        measured += [
            Speed(
                contender=contender.name,
                data_set=data_set,
                threads=threads,
                images=len(paths),
                images_per_second=len(paths) / took,
                images_per_cpu_second=len(paths) / worked,
            )
            for contender, took, worked in zip(able, seconds, busy, strict=True)
        ]
    return measured


def measure_stages(
    instance: TemporaryInstance, cache: Path, paths: Sequence[Path]
) -> dict[str, float]:
    """Milliseconds of one thread's processor time in each stage, the median over photographs."""
    engine = Engine(load_pack(), cache=cache, threads=1, detector_side=640)
    taken: dict[str, list[float]] = {}

    @contextmanager
    def timed(stage: str) -> Iterator[None]:
        began = time.thread_time()
        yield
        taken.setdefault(stage, []).append(1000 * (time.thread_time() - began))

    for portion in portions(paths, PORTION):
        with instance.permitted("measure-accuracy") as permit:
            for path in portion:
                data = path.read_bytes()
                with timed("decode"):
                    image = decode(data)
                with timed("detect all"):
                    [faces] = engine.detector.detect([image], permit=permit)
                with timed("detect the largest"):
                    engine.detector.detect([image], permit=permit, max_faces=1)
                if not faces:
                    continue
                points, score = faces[0].landmarks, faces[0].score
                with timed("warp"):
                    chip = align.chip(image, points, permit=permit)
                with timed("quality"):
                    quality.measure(chip, points, score=score, permit=permit)
                with timed("template"):
                    engine.embedder.templates([chip], permit=permit)
    stages = {stage: statistics.median(times) for stage, times in taken.items()}
    return stages | {"decode + warp": stages["decode"] + stages["warp"]}


# ---------------------------------------------------------------- accuracy
def measure_accuracy(contender: Contender, pairs: Sequence[Pair], console: Console) -> Accuracy:
    paths = sorted({path for pair in pairs for path in (pair.one, pair.other)})
    describe = contender.describe(1)
    vectors: dict[Path, Vector | None] = {}
    with console.status(contender.name) as status:
        for portion in portions(paths, PORTION):
            vectors |= dict(zip(portion, describe(portion), strict=True))
            status.update(f"{contender.name}: {len(vectors)} of {len(paths)} photographs")

    def score(pair: Pair) -> float:
        one, other = vectors[pair.one], vectors[pair.other]
        return contender.score(one, other) if one is not None and other is not None else -np.inf

    scores = np.array([score(pair) for pair in pairs])
    same = np.array([pair.same for pair in pairs])
    return Accuracy(
        contender=contender.name,
        pairs=len(pairs),
        photographs=len(paths),
        failures_to_acquire=sum(vector is None for vector in vectors.values()),
        accuracy=accuracy(scores, same),
        tar_at_fmr_1e_2=tar(scores[same], scores[~same], 1e-2),
        tar_at_fmr_1e_3=tar(scores[same], scores[~same], 1e-3),
        all_pairs_tar_at_fmr_1e_3=all_pairs_tar(vectors, contender, 1e-3),
    )


def accuracy(scores: NDArray[np.float64], same: NDArray[np.bool_]) -> float:
    """LFW's protocol: five folds of 600 pairs, each judged at the threshold best for the others."""
    folds = np.arange(len(scores)) * FOLDS // len(scores)
    shares = []
    for fold in range(FOLDS):
        own, others = folds == fold, folds != fold
        thresholds = np.unique(scores[others])
        # Of pairs sorted by score: right are the genuine at or above and the impostors below.
        genuine, impostors = np.sort(scores[others & same]), np.sort(scores[others & ~same])
        right = len(genuine) - np.searchsorted(genuine, thresholds)
        right = right + np.searchsorted(impostors, thresholds)
        best = thresholds[int(np.argmax(right))]
        shares.append(float(((scores[own] >= best) == same[own]).mean()))
    return float(np.mean(shares))


def tar(genuine: NDArray[np.float64], impostors: NDArray[np.float64], fmr: float) -> float:
    """The share of genuine pairs above the score that at most `fmr` of the impostors exceed."""
    allowed = int(fmr * len(impostors))
    threshold = np.sort(impostors)[::-1][allowed]
    return float((genuine > threshold).mean())


def all_pairs_tar(vectors: dict[Path, Vector | None], contender: Contender, fmr: float) -> float:
    """Both scores fall with the Euclidean distance of the vectors as compared here."""
    seen = [(path.parent.name, vector) for path, vector in vectors.items() if vector is not None]
    people = np.unique([name for name, _ in seen], return_inverse=True)[1]
    stacked = np.stack([vector for _, vector in seen]).astype(np.float32)
    lengths = (stacked**2).sum(axis=1)
    genuine, impostors = [], []
    for start in range(0, len(seen), 512):
        rows = np.arange(start, min(start + 512, len(seen)))
        scores = 2 * stacked[rows] @ stacked.T - lengths[rows, None] - lengths[None]
        once = rows[:, None] < np.arange(len(seen))[None]
        same = people[rows, None] == people[None]
        genuine.append(scores[once & same])
        impostors.append(scores[once & ~same])
    return tar(np.concatenate(genuine), np.concatenate(impostors), fmr)


# ---------------------------------------------------------------- what is shown
def show(
    console: Console, speeds: list[Speed], stages: dict[str, float], accuracies: list[Accuracy]
) -> None:
    table = Table(title="Photographs per second, decode to template")
    headings = ("photographs", "threads", "contender", "images/s", f"× {RIVAL}")
    for heading in (*headings, "images per CPU second", f"× {RIVAL}, CPU"):
        table.add_column(heading, justify="left" if heading == "contender" else "right")
    base = {(speed.data_set, speed.threads): speed for speed in speeds if speed.contender == RIVAL}
    for speed in speeds:
        other = base.get((speed.data_set, speed.threads))
        ratios = (
            speed.images_per_second / other.images_per_second if other else None,
            speed.images_per_cpu_second / other.images_per_cpu_second if other else None,
        )
        shown = [f"{ratio:.1f}" if ratio else "–" for ratio in ratios]
        table.add_row(
            f"{speed.images} of {speed.data_set}",
            str(speed.threads),
            speed.contender,
            f"{speed.images_per_second:.1f}",
            shown[0],
            f"{speed.images_per_cpu_second:.1f}",
            shown[1],
        )
    console.print(table)
    table = Table(
        title="One thread, milliseconds of processor time for a photograph of LFW (median)"
    )
    for stage in stages:
        table.add_column(stage, justify="right")
    table.add_row(*(f"{milliseconds:.2f}" for milliseconds in stages.values()))
    console.print(table)
    if not accuracies:
        return
    table = Table(title="Verification on LFW's pairs, folds 1–5")
    columns = ("contender", "pairs", "without face", "accuracy", "TAR at 1e-2", "TAR at 1e-3")
    for heading in (*columns, "TAR at 1e-3, all pairs of the photographs"):
        table.add_column(heading, justify="left" if heading == "contender" else "right")
    for told in accuracies:
        table.add_row(
            told.contender,
            str(told.pairs),
            f"{told.failures_to_acquire} of {told.photographs}",
            f"{told.accuracy:.4f}",
            f"{told.tar_at_fmr_1e_2:.4f}",
            f"{told.tar_at_fmr_1e_3:.4f}",
            f"{told.all_pairs_tar_at_fmr_1e_3:.4f}",
        )
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--images", type=int, default=200, help="photographs to time, of each set")
    parser.add_argument("--pairs", type=int, default=3000, help="pairs to verify; 0: none")
    parser.add_argument("--json", type=Path, help="write the figures to this file as well")
    arguments = parser.parse_args()
    require_photographs()
    console = Console(width=None if sys.stdout.isatty() else 120)
    speeds: list[Speed] = []
    with temporary_instance() as instance:
        cache = instance.instance.settings.data / "models"
        contenders = [ours(instance, cache, max_faces=count) for count in (100, 1)]
        other = rival()
        if other is None:
            console.print(f"{RIVAL} is not installed: no comparison.")
        else:
            contenders.append(other)
        for data_set in ("lfw", "congress"):
            everyone = photographs(data_set)
            step = max(1, len(everyone) // max(1, arguments.images))
            paths = [photograph.path for photograph in everyone[::step]][: arguments.images]
            speeds += measure_speed(contenders, data_set, paths)
            if data_set == "lfw":
                stages = measure_stages(instance, cache, paths)
        everything = lfw_pairs()
        pairs = everything[:: max(1, len(everything) // max(1, arguments.pairs))]
        pairs = pairs[: arguments.pairs]
        accuracies = [
            measure_accuracy(contender, pairs, console) for contender in contenders if pairs
        ]
    show(console, speeds, stages, accuracies)
    if arguments.json:
        told = {
            "speed": [asdict(speed) for speed in speeds],
            "stages_ms": stages,
            "accuracy": [asdict(measured) for measured in accuracies],
        }
        arguments.json.write_text(json.dumps(told, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
