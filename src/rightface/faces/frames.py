"""A stored video's frames, decoded in a process of their own: `python -m rightface.faces.frames`.

Video decoders are large programs in C that read what strangers send. So they run apart: with no
environment, at low priority, under limits of memory, processor time and open files that the kernel
holds, able to write nothing but their own pipe. Whatever becomes of them, the server goes on.

Written to stdout are messages: a head (`HEAD`: kind, milliseconds, height, width) and a body. INFO
comes first, then FRAMEs, then one END. Only the containers and codecs named here are opened, and
nothing but the one file: a playlist cannot make it read another.
Never knows faces, law, storage.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import struct
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any, BinaryIO

HEAD = struct.Struct("<BqII")
"""Kind; milliseconds; height and width of a frame, or the length of a JSON body and 0."""
INFO, FRAME, END = 0, 1, 2

FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg"
CODECS = "h264,hevc,av1,libdav1d,vp8,vp9,libvpx,libvpx-vp9,mpeg4,mpeg2video,mjpeg"
MEMORY = 3 << 30
"""Bytes of address space for the decoder."""
_SQUARE = Fraction(1)
_GUESS = Fraction(25)
"""Frames a second where the file does not say."""
_SHORT_MS = 1000
"""So much may be missing at the end, against what the file says of itself."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What is read of a video, and what is not."""

    rate: int = 5
    """Frames a second that are looked at."""
    seconds: int = 3600
    """Longest video."""
    pixels: int = 4096 * 2304
    """Of one frame."""
    frames: int = 60 * 60 * 120
    """Most frames that are decoded, looked at or not."""
    side: int = 1920
    """Longest side, in pixels, of a frame that is handed on; larger ones are scaled down."""
    processor_seconds: int = 7200
    """Of the decoder."""

    def to_json(self) -> str:
        """For the decoder's command line."""
        return json.dumps(asdict(self))


class _Problem(Exception):
    """Why the video cannot be read on; the word is one of `video.PROBLEMS`."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


def main() -> None:
    """Decode the file that is open at descriptor 0; the limits are the one argument."""
    limits = Limits(**json.loads(sys.argv[1]))
    import av  # noqa: PLC0415
    import numpy as np  # noqa: F401, PLC0415  # loaded while there is memory and files for it

    _confine(limits)
    av.logging.set_level(None)
    out = os.fdopen(os.dup(1), "wb")
    told: dict[str, Any] = {"problem": None, "frames": 0, "duration_ms": 0}
    try:
        _decode(os.fdopen(0, "rb"), limits, out, told)
    except _Problem as problem:
        told["problem"] = problem.word
    except MemoryError:
        told["problem"] = "too-large"
    except (av.FFmpegError, ValueError, OverflowError, OSError, ZeroDivisionError):
        told["problem"] = "broken"
    _say(out, END, told)


def _confine(limits: Limits) -> None:
    import resource  # noqa: PLC0415

    with contextlib.suppress(OSError):  # a sandbox may forbid it; the limits below count
        os.nice(10)
    for name, most in (
        ("RLIMIT_AS", MEMORY),
        ("RLIMIT_CPU", limits.processor_seconds),
        ("RLIMIT_FSIZE", 0),
        ("RLIMIT_CORE", 0),
        ("RLIMIT_NOFILE", 16),
    ):
        kind = getattr(resource, name)
        hard = resource.getrlimit(kind)[1]
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (bound, bound))


def _say(out: BinaryIO, kind: int, told: dict[str, Any]) -> None:
    body = json.dumps(told).encode()
    out.write(HEAD.pack(kind, 0, len(body), 0) + body)
    out.flush()


def _decode(file: io.BufferedReader, limits: Limits, out: BinaryIO, told: dict[str, Any]) -> None:
    import av  # noqa: PLC0415

    options = {
        "format_whitelist": FORMATS,
        "codec_whitelist": CODECS,
        "protocol_whitelist": "none",  # the file is open already; nothing else is ever opened
    }
    try:
        container = av.open(file, options=options)
    except (av.error.InvalidDataError, av.error.EOFError) as error:
        raise _Problem("unsupported" if _is_foreign(file) else "broken") from error
    except av.FFmpegError as error:
        raise _Problem("unsupported") from error
    with container:
        if not container.streams.video:
            raise _Problem("no-video")
        stream = container.streams.video[0]
        context = stream.codec_context
        if context is None or context.name not in CODECS.split(","):
            raise _Problem("unsupported")
        context.thread_count = 1
        _require_size(context.width, context.height, limits)
        said = _said_ms(container, stream)
        if said is not None and said > limits.seconds * 1000:
            raise _Problem("too-long")
        last = _send(container, stream, limits, out, told, said or 0)
        if told["frames"] == 0:
            raise _Problem("no-video")
        told["duration_ms"] = max(last, said or 0)
        if said is not None and last + _SHORT_MS < said:
            told["duration_ms"] = last
            raise _Problem("truncated")


def _is_foreign(file: io.BufferedReader) -> bool:
    """Whether the first bytes are those of none of the containers read here."""
    if file.closed:
        return False
    file.seek(0)
    first = file.read(16)
    known = first[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip")
    return not (known or first.startswith((b"\x1aE\xdf\xa3", b"RIFF", b"G", b"\x00\x00\x01")))


def _require_size(width: int, height: int, limits: Limits) -> None:
    if width * height > limits.pixels:
        raise _Problem("too-large")


def _said_ms(container: Any, stream: Any) -> int | None:
    """How long the file says that its video is; None if only a guess could be made."""
    if stream.duration is not None and stream.time_base is not None:
        lasts: int = round(1000 * stream.duration * stream.time_base)
        return max(0, lasts)
    if container.duration is not None and len(container.streams) == 1:
        return max(0, int(container.duration) // 1000)  # microseconds
    return None


def _send(
    container: Any,
    stream: Any,
    limits: Limits,
    out: BinaryIO,
    told: dict[str, Any],
    said: int,
) -> int:
    """Hand on the frames that are looked at; the end of the last frame, in milliseconds."""
    rate = stream.average_rate or stream.guessed_rate or _GUESS
    step = Fraction(1000) / rate if rate > 0 else Fraction(1000) / _GUESS
    last, due = -1, 0
    for frame, at in _timed(container, stream, step):
        told["frames"] += 1
        if told["frames"] > limits.frames:
            raise _Problem("too-many-frames")
        if at > limits.seconds * 1000:
            raise _Problem("too-long")
        _require_size(frame.width, frame.height, limits)
        if at < due or frame.is_corrupt:
            last = at
            continue
        pixels = _upright(frame, stream, limits)
        if last < 0:
            _say(out, INFO, _described(container, stream, frame, float(rate), said))
        last = at
        height, width = pixels.shape[:2]
        out.write(HEAD.pack(FRAME, at, height, width))
        out.write(pixels.tobytes())
        out.flush()
        due = (at * limits.rate // 1000 + 1) * 1000 // limits.rate
    return round(last + step) if last >= 0 else 0


def _timed(container: Any, stream: Any, step: Fraction) -> Iterator[tuple[Any, int]]:
    """Each frame with its milliseconds from the stream's start, which never go back.

    A frame without a time of its own comes one step after the last.
    """
    last: int | None = None
    start = None
    for frame in container.decode(stream):
        at = None
        if frame.pts is not None and frame.time_base is not None:
            if start is None:
                start = frame.pts
            at = round(1000 * (frame.pts - start) * frame.time_base)
        if at is None:
            at = 0 if last is None else round(last + step)
        last = at if last is None else max(last, at)
        yield frame, last


def _upright(frame: Any, stream: Any, limits: Limits) -> Any:
    """(height, width, 3) RGB: turned as the file says, pixels square, no side over the limit."""
    import numpy as np  # noqa: PLC0415

    aspect = stream.codec_context.sample_aspect_ratio or _SQUARE
    aspect = aspect if _SQUARE / 4 <= aspect <= 4 else _SQUARE
    width, height = max(1, round(frame.width * aspect)), frame.height
    scale = min(1.0, limits.side / max(width, height))
    width, height = max(1, round(width * scale)), max(1, round(height * scale))
    small = frame.reformat(width=width, height=height, format="rgb24")
    turns = round(frame.rotation / 90) % 4  # counter-clockwise, as NumPy turns
    return np.ascontiguousarray(np.rot90(small.to_ndarray(), turns))


def _described(container: Any, stream: Any, frame: Any, rate: float, said: int) -> dict[str, Any]:
    turned = round(frame.rotation / 90) % 2 == 1
    width, height = (frame.height, frame.width) if turned else (frame.width, frame.height)
    return {
        "codec": stream.codec_context.codec.canonical_name,
        "format": container.format.name.split(",")[0],
        "width": width,
        "height": height,
        "frame_rate": rate,
        "full_range": int(frame.color_range) == 2,  # AVCOL_RANGE_JPEG
        "duration_ms": said,
    }


if __name__ == "__main__":
    main()
