"""A stored video, frame by frame, as another process decodes it (see `frames`).

Frames come a few at a time and are never all held. A decoder that says nothing for `STALL` seconds
is ended; one that dies, dies alone.
Never knows law, storage or wire formats.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rightface.errors import VideoBroken, VideoError, VideoTooLarge, VideoUnsupported
from rightface.faces.frames import END, FRAME, HEAD, Limits
from rightface.permit import Permit, Touch, require

STALL = 60.0
"""Seconds without a word from the decoder, after which it is ended."""
_LONGEST_TEXT = 4096

PROBLEMS: dict[str, tuple[type[VideoError], str]] = {
    "unsupported": (
        VideoUnsupported,
        "The video's container or codec is not read here (MP4, MOV, Matroska, WebM, AVI, MPEG; "
        "H.264, H.265, AV1, VP8, VP9, MPEG-4, MPEG-2, Motion JPEG are).",
    ),
    "no-video": (VideoBroken, "The video has no frame."),
    "broken": (VideoBroken, "The video is damaged."),
    "truncated": (VideoBroken, "The video ends before the time that it says it lasts."),
    "too-long": (VideoTooLarge, "The video lasts longer than this instance reads."),
    "too-large": (VideoTooLarge, "The video's frames have more pixels than are read."),
    "too-many-frames": (VideoTooLarge, "The video has more frames than are read."),
    "stalled": (VideoBroken, "The video takes too long to decode."),
    "died": (VideoBroken, "The video ends its decoder: it is damaged, or takes too much memory."),
}
"""The decoder's word for what is wrong: the error raised, and what it says."""


@dataclass(frozen=True, kw_only=True)
class VideoInfo:
    """What a video says of itself."""

    codec: str
    format: str
    width: int
    """Pixels of an upright frame."""
    height: int
    frame_rate: float
    full_range: bool
    """Whether its colours use all 256 levels."""
    duration_ms: int
    """0: the file does not say, and it was not read to its end."""


@dataclass(frozen=True)
class Frame:
    """One frame that is looked at."""

    at_ms: int
    """Milliseconds from the first frame, by the stream's own clock."""
    pixels: NDArray[np.uint8]
    """(height, width, 3) RGB, upright."""


class VideoFile:
    """A video being read. One reader; made by `reading`."""

    def __init__(self, process: subprocess.Popen[bytes], limits: Limits, stall: float) -> None:
        assert process.stdout is not None
        self._process = process
        self._pipe = process.stdout.fileno()
        self._stall = stall
        self._side = limits.side
        self._ended = False
        self.duration_ms = 0
        """Known at the end."""
        told = self._message()
        if told[0] == END:
            self._finish(told[1])
        self.info = VideoInfo(**told[1])

    def next_frames(self, most: int, *, permit: Permit) -> list[Frame]:
        """Up to `most` further frames; empty: that was all.

        Raises:
            PermitError: `permit` does not cover DETECT.
            VideoError: the video cannot be read on; subclasses say why.
        """
        require(permit, Touch.DETECT)
        frames: list[Frame] = []
        while len(frames) < most and not self._ended:
            kind, told = self._message()
            if kind == END:
                self._finish(told)
            else:
                frames.append(told)
        return frames

    def _finish(self, told: dict[str, Any]) -> None:
        self._ended = True
        if told["problem"] is not None:
            raise _error(told["problem"], told["duration_ms"])
        self.duration_ms = int(told["duration_ms"])

    def _message(self) -> tuple[int, Any]:
        deadline = time.monotonic() + self._stall
        kind, at, height, width = HEAD.unpack(self._read(HEAD.size, deadline))
        if kind == FRAME:
            if not (0 < height <= self._side and 0 < width <= self._side):
                raise _error("died")  # no decoder of ours: it scales down what is larger
            body = self._read(height * width * 3, deadline)
            return kind, Frame(at, np.frombuffer(body, np.uint8).reshape(height, width, 3))
        return kind, json.loads(self._read(min(height, _LONGEST_TEXT), deadline))

    def _read(self, size: int, deadline: float) -> bytearray:
        got = bytearray(size)
        view, filled = memoryview(got), 0
        while filled < size:
            ready, _, _ = select.select([self._pipe], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise _error("stalled")
            count = os.readv(self._pipe, [view[filled:]])
            if count == 0:
                raise _error(self._how_it_died())
            filled += count
        return got

    def _how_it_died(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self._process.wait(5)
            if code in (-signal.SIGXCPU, -signal.SIGKILL):
                return "stalled"
        return "died"


@contextmanager
def reading(path: Path, limits: Limits, *, stall: float = STALL) -> Iterator[VideoFile]:
    """The video in `path`, while its decoder runs.

    Raises:
        VideoUnsupported: not a container or codec that is read here.
        VideoTooLarge: too long, or too many pixels or frames.
        VideoBroken: damaged, without a frame, or endless to decode.
    """
    with path.open("rb") as file:
        process = subprocess.Popen(  # noqa: S603  # our own module; the limits are numbers
            [sys.executable, "-P", "-m", "rightface.faces.frames", limits.to_json()],
            stdin=file,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
        )
    try:
        yield VideoFile(process, limits, stall)
    finally:
        process.kill()
        assert process.stdout is not None
        process.stdout.close()
        process.wait()


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
    return kept | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def _error(word: str, at_ms: int = 0) -> VideoError:
    kind, told = PROBLEMS.get(word, PROBLEMS["broken"])
    return kind(told, why=f"It could be read up to {at_ms} ms." if at_ms else "")
