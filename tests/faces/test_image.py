"""Every format, every mode, every limit, and whatever else arrives."""

from __future__ import annotations

import contextlib
import struct
import subprocess
import sys
import tracemalloc
import zlib
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from rightface.errors import (
    ImageBroken,
    ImageEmpty,
    ImageError,
    ImageTooLarge,
    ImageUnsupported,
)
from rightface.faces.image import DEFAULT, ImageLimits, decode

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")


def encoded(image: Image.Image, name: str, **how: Any) -> bytes:
    file = BytesIO()
    image.save(file, name, **how)
    return file.getvalue()


def two_halves() -> Image.Image:
    """40 × 20: the left half red, the right half blue."""
    image = Image.new("RGB", (40, 20), (200, 10, 10))
    image.paste((10, 10, 200), (20, 0, 40, 20))
    return image


def looks_like_two_halves(pixels: np.ndarray[Any, Any]) -> bool:
    left, right = pixels[:, :16].mean(axis=(0, 1)), pixels[:, 24:].mean(axis=(0, 1))
    return bool(
        pixels.shape == (20, 40, 3) and left[0] > 150 > left[2] and right[2] > 150 > right[0]
    )


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_is_read(name: str) -> None:
    pixels = decode(encoded(two_halves(), name))
    assert pixels.dtype == np.uint8
    assert looks_like_two_halves(pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_undone(orientation: int) -> None:
    undo = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,  # stored turned to the left, shown turned to the right
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    stored = two_halves() if undo is None else two_halves().transpose(undo)
    exif = Image.Exif()
    exif[0x0112] = orientation
    for name in ("JPEG", "PNG", "WEBP", "TIFF"):
        assert looks_like_two_halves(decode(encoded(stored, name, exif=exif))), name


@pytest.mark.parametrize("orientation", [0, 9, 77])
def test_an_orientation_that_does_not_exist_changes_nothing(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert looks_like_two_halves(decode(encoded(two_halves(), "JPEG", exif=exif)))


def with_damaged_exif() -> bytes:
    data = encoded(two_halves(), "JPEG")
    app1 = b"Exif\0\0MM\0*\xff\xff\xff\xff"
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(app1) + 2) + app1 + data[2:]


def test_damaged_exif_neither_costs_the_pixels_nor_leaks_a_warning() -> None:
    program = (
        "import sys; from rightface.faces.image import decode;"
        "print(decode(sys.stdin.buffer.read()).shape)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], input=with_damaged_exif(), capture_output=True, check=True
    )
    assert run.stdout.strip() == b"(20, 40, 3)"
    assert run.stderr == b""


def test_cmyk_jpeg_is_read() -> None:
    assert looks_like_two_halves(decode(encoded(two_halves().convert("CMYK"), "JPEG")))


def test_palette_is_read() -> None:
    assert looks_like_two_halves(decode(encoded(two_halves().quantize(4), "PNG")))


@pytest.mark.parametrize("mode", ["1", "L"])
def test_grey_becomes_three_channels(mode: str) -> None:
    pixels = decode(encoded(two_halves().convert(mode), "PNG"))
    assert pixels.shape == (20, 40, 3)
    assert (pixels[..., 0] == pixels[..., 2]).all()


@pytest.mark.parametrize("name", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_not_clipped(name: str) -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)
    image = Image.fromarray(np.tile(ramp, (4, 1)))
    assert image.mode == "I;16"
    pixels = decode(encoded(image, name))
    assert (pixels[0, :, 0] == np.arange(256)).all()


def test_big_endian_sixteen_bits_are_scaled() -> None:
    samples = np.array([[0, 257, 32896, 65535]], ">u2")
    entries = [
        (256, 3, 1, 4 << 16),
        (257, 3, 1, 1 << 16),
        (258, 3, 1, 16 << 16),
        (259, 3, 1, 1 << 16),
        (262, 3, 1, 1 << 16),
        (273, 4, 1, 8),
        (277, 3, 1, 1 << 16),
        (278, 3, 1, 1 << 16),
        (279, 4, 1, 8),
    ]
    directory = struct.pack(">H", len(entries)) + b"".join(
        struct.pack(">HHII", *entry) for entry in entries
    )
    data = b"MM\0*" + struct.pack(">I", 16) + samples.tobytes() + directory + b"\0" * 4
    assert decode(data)[0, :, 0].tolist() == [0, 1, 128, 255]


@pytest.mark.parametrize("name", ["PNG", "WEBP", "TIFF"])
def test_transparency_is_shown_on_white(name: str) -> None:
    image = two_halves().convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 20, 20))
    how = {"lossless": True} if name == "WEBP" else {}
    pixels = decode(encoded(image, name, **how))
    assert (pixels[:, :20] == 255).all()
    assert (pixels[:, 24:, 2] > 150).all()


def test_transparent_palette_entry_is_shown_on_white() -> None:
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, 200, 0, 0])
    image.paste(0, (0, 0, 4, 8))
    pixels = decode(encoded(image, "GIF", transparency=0))
    assert (pixels[:, :4] == 255).all()
    assert (pixels[:, 4:] == (200, 0, 0)).all()


@pytest.mark.parametrize("name", ["GIF", "TIFF", "WEBP", "PNG"])
def test_of_several_frames_the_first_counts(name: str) -> None:
    other = Image.new("RGB", (40, 20), (0, 255, 0))
    data = encoded(two_halves(), name, save_all=True, append_images=[other, other])
    assert looks_like_two_halves(decode(data))


def test_floating_point_samples_are_refused_by_name() -> None:
    with pytest.raises(ImageUnsupported, match="no defined range"):
        decode(encoded(Image.new("F", (4, 4), 0.5), "TIFF"))


def test_empty() -> None:
    with pytest.raises(ImageEmpty):
        decode(b"")


@pytest.mark.parametrize(
    "data", [b"x", b"%PDF-1.7", b"<svg/>", b"\0" * 100, b"RIFF\0\0\0\0WAVE", b"\xff\xd8"]
)
def test_other_formats_are_unsupported(data: bytes) -> None:
    with pytest.raises(ImageUnsupported):
        decode(data)


def test_a_format_that_pillow_knows_but_we_do_not_is_unsupported() -> None:
    with pytest.raises(ImageUnsupported):
        decode(encoded(two_halves(), "PPM"))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated_is_broken(name: str, share: float, hopper_bytes: bytes) -> None:
    image = Image.open(BytesIO(hopper_bytes)).resize((128, 150))
    data = encoded(image, name)
    with pytest.raises(ImageBroken):
        decode(data[: int(len(data) * share)])


def test_too_many_bytes() -> None:
    with pytest.raises(ImageTooLarge):
        decode(b"\xff\xd8\xff" + b"\0" * DEFAULT.bytes)


def png_of(width: int, height: int) -> bytes:
    """A PNG whose header promises so much, and whose data would fill it with zeros."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    content = zlib.compress(b"\0" * 1_000_000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", content)


def gif_of(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0" * 6 + b";"


@pytest.mark.parametrize(
    "data",
    [
        png_of(16_385, 10),
        png_of(10, 16_385),
        png_of(10_001, 10_000),
        png_of(13_000, 13_000),
        png_of(60_000, 60_000),
        png_of(2**31 - 1, 2**31 - 1),
        b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\xff\x3f\0" * 2 + b"\0" * 8,
    ],
    ids=["wide", "high", "pixels", "bomb that warns", "bomb", "largest", "webp canvas"],
)
def test_bombs_are_told_by_their_header(data: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises((ImageTooLarge, ImageBroken)):
            decode(data)
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()


def test_bombs_in_png_are_too_large_not_broken() -> None:
    with pytest.raises(ImageTooLarge, match="pixels"):
        decode(png_of(60_000, 60_000))


def test_a_gif_frame_larger_than_its_screen_is_limited() -> None:
    frame = b"," + struct.pack("<HHHHB", 0, 0, 60_000, 60_000, 0) + b"\x02\x02\x4c\x01\0;"
    data = gif_of(10, 10)[:-1] + frame
    with pytest.raises(ImageTooLarge):
        decode(data)


def test_limits_can_be_set() -> None:
    data = encoded(two_halves(), "PNG")
    assert decode(data, ImageLimits(pixels=800, side=40)).shape == (20, 40, 3)
    for limits in (ImageLimits(pixels=799), ImageLimits(side=39), ImageLimits(bytes=10)):
        with pytest.raises(ImageTooLarge):
            decode(data, limits)


def test_large_images_are_copied_whole() -> None:
    noise = np.random.default_rng(2).integers(0, 256, (1500, 1101, 3), np.uint8)
    assert (decode(encoded(Image.fromarray(noise), "PNG", compress_level=0)) == noise).all()


def test_one_pixel_is_an_image() -> None:
    assert decode(encoded(Image.new("RGB", (1, 1)), "PNG")).shape == (1, 1, 3)


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_whatever_the_bytes_are_pixels_or_an_image_error(name: str, data: st.DataObject) -> None:
    whole = bytearray(encoded(two_halves(), name))
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(whole) - 1))
        match data.draw(st.sampled_from(["change", "cut", "insert", "repeat"])):
            case "change":
                whole[place] = data.draw(st.integers(0, 255))
            case "cut":
                del whole[place : place + data.draw(st.integers(1, 20))]
                whole = whole or bytearray(b"\0")
            case "insert":
                whole[place:place] = data.draw(st.binary(min_size=1, max_size=8))
            case _:
                whole[place:place] = whole[place : place + 30]
    try:
        pixels = decode(bytes(whole), ImageLimits(pixels=1_000_000))
    except ImageError as error:
        assert error.code.startswith("image-")
    else:
        assert pixels.ndim == 3
        assert pixels.shape[2] == 3


@given(st.sampled_from([b"", b"\xff\xd8\xff", b"II*\0", b"BM", b"GIF89a"]), st.binary())
def test_noise_is_refused(head: bytes, noise: bytes) -> None:
    with contextlib.suppress(ImageError):
        decode(head + noise, ImageLimits(pixels=1_000_000))
