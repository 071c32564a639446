"""Videos made of public-domain portraits: who is to be seen when is known."""

from __future__ import annotations

import io
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray
from PIL import Image

from tests.portraits import eileen_collins, grace_hopper

Pixels = NDArray[np.uint8]
WIDTH, HEIGHT, RATE = 640, 360, 25
ONE_SECOND = Fraction(1)


def portrait(photo: bytes, height: int = 240) -> Pixels:
    image = Image.open(io.BytesIO(photo)).convert("RGB")
    return np.asarray(image.resize((round(image.width * height / image.height), height)))


def grace() -> Pixels:
    return portrait(grace_hopper())


def eileen() -> Pixels:
    return portrait(eileen_collins())


def placed(*people: tuple[Pixels, int]) -> Pixels:
    """A grey frame with people in it, each at a place from the left."""
    frame = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    for person, left in people:
        frame[60 : 60 + person.shape[0], left : left + person.shape[1]] = person
    return frame


def written(
    path: Path,
    seconds: float,
    draw: Callable[[float], Pixels],
    *,
    codec: str = "libx264",
    rate: int = RATE,
    times: Callable[[int], int] | None = None,
) -> Path:
    """A video of what `draw(second)` gives. `times`: milliseconds of each frame, by its number."""
    with av.open(str(path), "w") as container:
        stream = cast(VideoStream, container.add_stream(codec, rate=rate))
        first = draw(0.0)
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = "yuv420p"
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        container.start_encoding()
        for number in range(round(seconds * rate)):
            at = number / rate if times is None else times(number) / 1000
            frame = av.VideoFrame.from_ndarray(draw(at), format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = times(number), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def two_people(path: Path) -> Path:
    """Six seconds: Grace from 0 to 4, walking right; Eileen from 2 on, on the right; a cut at 4 to
    Eileen alone, where Grace stood."""
    grace_, eileen_ = grace(), eileen()

    def draw(at: float) -> Pixels:
        if at < 2:
            return placed((grace_, 20 + round(20 * at)))
        if at < 4:
            return placed((grace_, 20 + round(20 * at)), (eileen_, 360))
        return placed((eileen_, 90))

    return written(path, 6, draw)
