"""Reading stored videos: what is well formed, and what strangers send."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from rightface.errors import (
    PermitError,
    VideoBroken,
    VideoTooLarge,
    VideoUnsupported,
)
from rightface.faces import frames
from rightface.faces.frames import Limits
from rightface.faces.video import PROBLEMS, Frame, VideoFile, VideoInfo, reading
from tests.conftest import Permitted
from tests.portraits import grace_hopper
from tests.video import clips


def _half_bright(at: float) -> clips.Pixels:
    frame = np.zeros((clips.HEIGHT, clips.WIDTH, 3), np.uint8)
    frame[:, : clips.WIDTH // 2] = 200
    frame[0:8, 0:8] = round(40 * at) % 256  # so that no frame is the last one again
    return frame


def _read(
    path: Path, permitted: Permitted, limits: Limits | None = None
) -> tuple[VideoInfo, list[Frame], int]:
    got: list[Frame] = []
    with reading(path, limits or Limits()) as video, permitted("detect") as permit:
        while some := video.next_frames(3, permit=permit):
            got += some
        return video.info, got, video.duration_ms


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of H.264 in MP4, its left half bright."""
    return clips.written(tmp_path_factory.mktemp("clips") / "two.mp4", 2, _half_bright)


@pytest.mark.parametrize(
    ("name", "codec", "told"),
    [
        ("a.mp4", "libx264", "h264"),
        ("a.mkv", "libx264", "h264"),
        ("a.webm", "libvpx", "vp8"),
        ("a.avi", "mpeg4", "mpeg4"),
        ("a.ts", "libx264", "h264"),
        ("a.mpg", "mpeg2video", "mpeg2video"),
    ],
)
def test_five_frames_a_second_with_their_milliseconds(
    tmp_path: Path, permitted: Permitted, name: str, codec: str, told: str
) -> None:
    path = clips.written(tmp_path / name, 1, _half_bright, codec=codec)
    info, got, duration = _read(path, permitted)
    assert [frame.at_ms for frame in got] == [0, 200, 400, 600, 800]
    assert (info.codec, info.width, info.height) == (told, 640, 360)
    assert info.frame_rate == pytest.approx(25)
    assert duration == 1000
    for frame in got:
        assert frame.pixels.shape == (360, 640, 3)
        assert frame.pixels[100, 100].mean() > 150
        assert frame.pixels[100, 500].mean() < 50


def test_a_rotated_video_stands_upright(clip: Path, tmp_path: Path, permitted: Permitted) -> None:
    data = clip.read_bytes()
    # ISO/IEC 14496-12, 8.3.2: the matrix of the track's header, here a quarter turn clockwise.
    matrix = data.index(b"tkhd") + 4 + 40
    turned = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    path = tmp_path / "turned.mp4"
    path.write_bytes(data[:matrix] + turned + data[matrix + 36 :])
    info, got, _ = _read(path, permitted)
    assert (info.width, info.height) == (360, 640)
    assert got[0].pixels.shape == (640, 360, 3)
    assert got[0].pixels[100, 200].mean() > 150, "what was left is above"
    assert got[0].pixels[500, 200].mean() < 50


def test_a_variable_rate_is_told_by_its_own_clock(tmp_path: Path, permitted: Permitted) -> None:
    at = [0, 40, 80, 120, 700, 710, 720, 1500, 1900, 1940]
    path = clips.written(
        tmp_path / "vfr.mkv", 10 / clips.RATE, _half_bright, times=lambda number: at[number]
    )
    _, got, _ = _read(path, permitted)
    assert [frame.at_ms for frame in got] == [0, 700, 1500, 1900]


def test_frames_without_a_time_come_one_step_after_the_last() -> None:
    def frame(pts: int | None) -> SimpleNamespace:
        return SimpleNamespace(pts=pts, time_base=Fraction(1, 1000))

    given = [frame(500), frame(None), frame(None), frame(700), frame(650), frame(None)]
    container = SimpleNamespace(decode=lambda _stream: iter(given))
    times = [at for _, at in frames._timed(container, None, Fraction(40))]
    assert times == [0, 40, 80, 200, 200, 240], "from the first one's time, and never back"


def test_a_large_frame_is_handed_on_smaller(clip: Path, permitted: Permitted) -> None:
    info, got, _ = _read(clip, permitted, Limits(side=320))
    assert (info.width, info.height) == (640, 360)
    assert got[0].pixels.shape == (180, 320, 3)


def test_what_is_too_much_is_refused(clip: Path, permitted: Permitted) -> None:
    with pytest.raises(VideoTooLarge, match="longer"):
        _read(clip, permitted, Limits(seconds=1))
    with pytest.raises(VideoTooLarge, match="pixels"):
        _read(clip, permitted, Limits(pixels=640 * 360 - 1))
    with pytest.raises(VideoTooLarge, match="more frames"):
        _read(clip, permitted, Limits(frames=20))


def test_a_length_that_is_a_lie_is_found_out(tmp_path: Path, permitted: Permitted) -> None:
    path = clips.written(
        tmp_path / "long.mkv", 3 / clips.RATE, _half_bright, times=lambda number: number * 90_000
    )
    data = path.read_bytes()
    duration = data.index(b"\x44\x89\x88") + 3  # Matroska's Duration, a double
    path.write_bytes(data[:duration] + struct.pack(">d", 100.0) + data[duration + 8 :])
    with pytest.raises(VideoTooLarge, match="longer"):
        _read(path, permitted, Limits(seconds=120))


def _cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _zeroed(data: bytes) -> bytes:
    middle = data.index(b"mdat") + 600
    return data[:middle] + bytes(4000) + data[middle + 4000 :]


BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "empty.mp4": lambda _: b"",
    "noise.mp4": lambda _: np.random.default_rng(3).bytes(50_000),
    "text.mp4": lambda _: b"This is no video.",
    "a-photograph.mp4": lambda _: grace_hopper(),
    "cut-off.mp4": _cut,
    "without-its-head.mp4": lambda data: data[4000:],
    "zeros-in-the-middle.mp4": _zeroed,
    "a-playlist.mp4": lambda _: b"#EXTM3U\n#EXTINF:10,\n/etc/hostname\n#EXT-X-ENDLIST\n",
    "a-list-of-files.mp4": lambda _: b"ffconcat version 1.0\nfile /etc/hostname\n",
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_video_ends_in_a_clear_error(
    clip: Path, tmp_path: Path, permitted: Permitted, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(BROKEN[name](clip.read_bytes()))
    with pytest.raises((VideoBroken, VideoUnsupported)) as caught:
        _read(path, permitted)
    assert caught.value.what in {told for _, told in PROBLEMS.values()}
    assert name.split(".", maxsplit=1)[0] not in str(caught.value), "a file's name is not told"


def test_a_matroska_file_cut_off_is_no_shorter_video(tmp_path: Path, permitted: Permitted) -> None:
    path = clips.written(tmp_path / "whole.mkv", 4, _half_bright)
    path.write_bytes(_cut(path.read_bytes()))
    with pytest.raises(VideoBroken) as caught:
        _read(path, permitted)
    assert "ends before" in caught.value.what or "damaged" in caught.value.what


def test_a_playlist_does_not_reach_another_video(
    clip: Path, tmp_path: Path, permitted: Permitted
) -> None:
    path = tmp_path / "list.mp4"
    for text in (
        f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:2,\n{clip}\n#EXT-X-ENDLIST\n",
        f"ffconcat version 1.0\nfile {clip}\n",
    ):
        path.write_text(text)
        with pytest.raises(VideoUnsupported):
            _read(path, permitted)


def test_a_video_without_frames(tmp_path: Path, permitted: Permitted) -> None:
    for name in ("none.mkv", "none.mp4"):
        path = clips.written(tmp_path / name, 0, _half_bright)
        assert path.stat().st_size > 0
        with pytest.raises(VideoBroken):
            _read(path, permitted)


def test_a_decoder_that_says_nothing_is_ended(clip: Path, permitted: Permitted) -> None:
    with (
        pytest.raises(VideoBroken, match="too long to decode"),
        reading(clip, Limits(), stall=0.01),
    ):
        pytest.fail("it answered in ten milliseconds")


def test_a_decoder_that_dies_takes_nothing_along(tmp_path: Path, permitted: Permitted) -> None:
    path = clips.written(tmp_path / "long.mp4", 20, _half_bright)
    with (
        pytest.raises(VideoBroken, match="ends its decoder"),
        reading(path, Limits(rate=25)) as video,
        permitted("detect") as permit,
    ):
        assert video.next_frames(1, permit=permit)
        os.kill(video._process.pid, signal.SIGSEGV)
        while video.next_frames(8, permit=permit):
            pass
    with pytest.raises(ProcessLookupError):
        os.kill(video._process.pid, 0)


def test_the_decoder_is_confined(clip: Path) -> None:
    with reading(clip, Limits(rate=25)) as video:
        root = Path(f"/proc/{video._process.pid}")
        limits = {
            line[:26].strip(): line[26:47].strip()
            for line in (root / "limits").read_text().splitlines()
        }
        environment = (root / "environ").read_bytes()
    assert limits["Max file size"] == "0"
    assert limits["Max core file size"] == "0"
    assert limits["Max address space"] == str(frames.MEMORY)
    assert limits["Max cpu time"] == str(Limits().processor_seconds)
    names = {each.split(b"=")[0] for each in environment.split(b"\0") if each}
    assert names <= {b"PYTHONPATH", b"OMP_NUM_THREADS", b"OPENBLAS_NUM_THREADS", b"LC_CTYPE"}


def test_no_frame_without_a_permit(clip: Path, permitted: Permitted) -> None:
    with reading(clip, Limits()) as video:
        with pytest.raises(PermitError):
            video.next_frames(1, permit=None)  # type: ignore[arg-type]
        with permitted("erase") as permit, pytest.raises(PermitError, match="does not cover"):
            video.next_frames(1, permit=permit)


@pytest.mark.parametrize("size", [(30_000, 30_000), (1921, 10), (10, 1921), (0, 10)])
def test_no_frame_is_taken_that_is_larger_than_was_asked_for(
    size: tuple[int, int], permitted: Permitted
) -> None:
    # A decoder that a video has taken over could announce anything.
    told = json.dumps(
        {
            "codec": "h264",
            "format": "mp4",
            "width": 8,
            "height": 8,
            "frame_rate": 5.0,
            "full_range": False,
            "duration_ms": 0,
        }
    ).encode()
    said = frames.HEAD.pack(frames.INFO, 0, len(told), 0) + told
    said += frames.HEAD.pack(frames.FRAME, 0, size[1], size[0]) + bytes(64)
    process = subprocess.Popen(
        [sys.executable, "-c", f"import sys; sys.stdout.buffer.write({said!r})"],
        stdout=subprocess.PIPE,
    )
    with process:
        video = VideoFile(process, Limits(), 30)
        with permitted("detect") as permit, pytest.raises(VideoBroken):
            video.next_frames(1, permit=permit)
