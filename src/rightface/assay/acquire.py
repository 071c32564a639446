"""From photographs to templates: in portions, in parallel, and going on where a killed run stopped.

    1. The work is cut into portions of a few images; each has a permit of its own.
    2. A finished portion is kept, sealed (`sealed_parts`).
    3. A later run with the same plan (images, model pack, way and fineness of looking) opens what
       is there and does the rest. A portion whose files have changed since, or that does not open,
       is done anew.

An image that cannot be read or has no face is a failure to acquire (ISO/IEC 2382-37), counted with
its reason. Never knows labels, rates, HTTP, or where permits come from.
"""

from __future__ import annotations

import hashlib
import math
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rightface.assay.permits import Permitted
from rightface.assay.sealed_parts import Part, Sealed
from rightface.assay.statement import WhichFace
from rightface.errors import ImageError
from rightface.faces.engine import Engine
from rightface.faces.face import Face, Landmarks, Template, Templates
from rightface.faces.image import Pixels, decode
from rightface.permit import Permit, Touch, require

Progress: TypeAlias = Callable[[int, int], None]
"""Told how many are done, of how many."""


class Change(Protocol):
    """What stress does to a photograph."""

    def __call__(self, pixels: Pixels, landmarks: Landmarks, *, permit: Permit) -> Pixels:
        """The photograph changed; the landmarks are those of its labelled face, unchanged."""


PORTION = 32
BATCH_PIXELS = 24_000_000
"""So many decoded pixels are held at once by each worker, or one image."""
NO_FACE = "no-face"
UNREADABLE = "unreadable"
QUALITIES = ("sharpness", "brightness", "yaw", "pitch", "roll", "eye-distance", "confidence")
"""The columns of `Acquired.quality`, as in `faces.face.Quality`; the last is the detector's."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """How a photograph is looked at."""

    which: WhichFace = "largest"
    """Whose face counts where there are several."""
    pad: int = 0
    """Black pixels added around each image first: for tight crops."""


@dataclass(frozen=True, kw_only=True)
class Acquired:
    """What came of the images, by their place in the list that was given."""

    rows: NDArray[np.int32]
    """(m,): which images gave a face, ascending."""
    templates: Templates
    """(m, 128)."""
    quality: NDArray[np.float32]
    """(m, 7): see `QUALITIES`."""
    landmarks: NDArray[np.float32]
    """(m, 5, 2): in pixels of the image, padding included."""
    failures: dict[int, str]
    """Image → why it gave no face: an image error's code, `unreadable`, or `no-face`."""
    digests: NDArray[np.uint8]
    """(n, 32): SHA-256 of each file's bytes; zeros where it could not be read."""
    made: int
    """Images looked at in this run; the others were kept from an earlier one."""
    seconds: float
    """What looking at them took."""
    redone: str = ""
    """Why an earlier run's templates were not used; empty if they were, or there were none."""


def plan_of(images: Sequence[Path], *, engine: Engine, look: Look) -> str:
    """Hex SHA-256 over what decides what the templates are."""
    seen = f"{engine.pack.digest}\0{engine.detector_side}\0{look.which}\0{look.pad}\0{PORTION}"
    told = hashlib.sha256(seen.encode())
    for image in images:
        told.update(b"\0" + os.fsencode(image))
    return told.hexdigest()


def acquire(
    images: Sequence[Path],
    *,
    engine: Engine,
    look: Look,
    permitted: Permitted,
    sealed: Sealed | None = None,
    change: Change | None = None,
    landmarks: NDArray[np.float32] | None = None,
    threads: int = 2,
    progress: Progress | None = None,
) -> Acquired:
    """The labelled face of each image: template, quality, or why there is none.

    Args:
        images: files; each is read once.
        engine: finds faces; one inference should use one thread where `threads` is above one.
        look: whose face counts, and how much is added around.
        permitted: asks the gate; once for each portion.
        sealed: where finished portions are kept for a run that comes after a kill; None: nowhere.
        change: what is done to each photograph before it is looked at.
        landmarks: (n, 5, 2), of each unchanged image; with `change`.
        threads: portions that are worked on at once.
        progress: told of images done.

    Raises:
        Refused: the gate does not allow it.
        StorageError: a part cannot be kept.
    """
    numbers = range(math.ceil(len(images) / PORTION))
    began = time.perf_counter()

    def work(number: int) -> tuple[Part, bool]:
        place = slice(number * PORTION, (number + 1) * PORTION)
        portion = images[place]
        stamps = _stamps(portion)
        if sealed and sealed.has(number):
            with permitted() as permit:
                kept = sealed.read(number, permit=permit)
            if kept is not None and np.array_equal(kept.stamps, stamps):
                return kept, False
        marks = landmarks[place] if landmarks is not None else None
        part = _portion(portion, engine, look, permitted, change, marks)
        part.stamps = stamps
        if sealed:
            with permitted() as permit:
                sealed.write(number, part, permit=permit)
        return part, True

    parts: list[Part] = []
    made = done = 0
    for part, fresh in _in_order(work, numbers, threads):
        parts.append(part)
        done += len(part.found)
        made += len(part.found) if fresh else 0
        if progress is not None:
            progress(done, len(images))
    return _joined(parts, made, time.perf_counter() - began, sealed.redone if sealed else "")


def _in_order(
    work: Callable[[int], tuple[Part, bool]], numbers: range, threads: int
) -> Iterator[tuple[Part, bool]]:
    """The work on each number, in order; no more is under way than there are threads, and one."""
    waiting: deque[Future[tuple[Part, bool]]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="acquire") as pool:
        try:
            for number in numbers:
                waiting.append(pool.submit(work, number))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for each in waiting:
                each.cancel()


def _portion(
    portion: Sequence[Path],
    engine: Engine,
    look: Look,
    permitted: Permitted,
    change: Change | None,
    landmarks: NDArray[np.float32] | None,
) -> Part:
    count = len(portion)
    part = Part(
        found=np.zeros(count, np.bool_),
        templates=np.zeros((count, engine.pack.dimension), np.float32),
        quality=np.zeros((count, len(QUALITIES)), np.float32),
        landmarks=np.zeros((count, 5, 2), np.float32),
        digests=np.zeros((count, 32), np.uint8),
        reasons=[""] * count,
    )
    places: list[int] = []
    held: list[Pixels] = []
    for place, path in enumerate(portion):
        pixels = _pixels(path, place, part, look)
        if pixels is not None:
            places.append(place)
            held.append(pixels)
        last = place == count - 1
        if held and (last or sum(each.shape[0] * each.shape[1] for each in held) > BATCH_PIXELS):
            with permitted() as permit:
                if change is not None and landmarks is not None:
                    held = [
                        change(each, landmarks[at], permit=permit)
                        for at, each in zip(places, held, strict=True)
                    ]
                _look_at(held, places, part, engine, look, permit)
            places, held = [], []
    return part


def _pixels(path: Path, place: int, part: Part, look: Look) -> Pixels | None:
    try:
        data = path.read_bytes()
    except OSError:
        part.reasons[place] = UNREADABLE
        return None
    part.digests[place] = np.frombuffer(hashlib.sha256(data).digest(), np.uint8)
    try:
        pixels = decode(data)
    except ImageError as error:
        part.reasons[place] = error.code
        return None
    if look.pad:
        pixels = np.pad(pixels, ((look.pad, look.pad), (look.pad, look.pad), (0, 0)))
    return pixels


def _look_at(
    held: list[Pixels],
    places: list[int],
    part: Part,
    engine: Engine,
    look: Look,
    permit: Permit,
) -> None:
    for place, face in zip(places, named_faces(held, engine, look, permit=permit), strict=True):
        if face is None or face.template is None:
            part.reasons[place] = NO_FACE
            continue
        q = face.quality
        part.found[place] = True
        part.templates[place] = face.template
        part.landmarks[place] = face.landmarks
        part.quality[place] = (
            *(q.sharpness, q.brightness, q.yaw, q.pitch, q.roll, q.eye_distance),
            face.score,
        )


def named_faces(
    images: Sequence[Pixels], engine: Engine, look: Look, *, permit: Permit
) -> list[Face | None]:
    """The face that the label of each image is about, with its template; None where none is found.

    Raises:
        PermitError: `permit` does not cover DETECT and TEMPLATE.
    """
    require(permit, Touch.DETECT)
    require(permit, Touch.TEMPLATE)
    if look.which == "largest":
        found = engine.analyze(images, permit=permit, max_faces=1)
        return [faces[0] if faces else None for faces in found]
    found = engine.analyze(images, permit=permit, templates=False)
    chosen = [_central(faces, pixels) for faces, pixels in zip(found, images, strict=True)]
    return _with_templates(images, chosen, engine, permit)


def _central(faces: Sequence[Face], pixels: Pixels) -> Face | None:
    height, width = pixels.shape[:2]
    return min(
        faces,
        key=lambda face: math.hypot(
            face.box.x + face.box.width / 2 - width / 2,
            face.box.y + face.box.height / 2 - height / 2,
        ),
        default=None,
    )


def _with_templates(
    images: Sequence[Pixels], chosen: Sequence[Face | None], engine: Engine, permit: Permit
) -> list[Face | None]:
    chips = [
        engine.crop(pixels, face, permit=permit)
        for pixels, face in zip(images, chosen, strict=True)
        if face is not None
    ]
    if not chips:
        return list(chosen)
    made: Iterator[Template] = iter(engine.embedder.templates(chips, permit=permit))
    return [None if face is None else replace(face, template=next(made)) for face in chosen]


def _joined(parts: list[Part], made: int, seconds: float, redone: str) -> Acquired:
    starts = np.cumsum([0, *(len(part.found) for part in parts)])
    failures = {
        int(start) + place: reason
        for (start, _), part in zip(pairwise(starts), parts, strict=True)
        for place, reason in enumerate(part.reasons)
        if not part.found[place]
    }
    found = np.concatenate([part.found for part in parts]) if parts else np.zeros(0, np.bool_)
    return Acquired(
        rows=np.flatnonzero(found).astype(np.int32),
        templates=_stacked([part.templates[part.found] for part in parts]),
        quality=_stacked([part.quality[part.found] for part in parts]),
        landmarks=_stacked([part.landmarks[part.found] for part in parts]),
        failures=failures,
        digests=np.concatenate([part.digests for part in parts])
        if parts
        else np.zeros((0, 32), np.uint8),
        made=made,
        seconds=seconds,
        redone=redone,
    )


def _stacked(arrays: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    return np.concatenate(arrays) if arrays else np.zeros((0, 0), np.float32)


def _stamps(paths: Sequence[Path]) -> NDArray[np.int64]:
    """(n, 2): each file's size and moment of change in nanoseconds; −1 where there is none."""
    told = np.full((len(paths), 2), -1, np.int64)
    for place, path in enumerate(paths):
        with suppress(OSError):
            seen = path.stat()
            told[place] = (seen.st_size, seen.st_mtime_ns)
    return told
