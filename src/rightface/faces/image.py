"""Turns the bytes of a photograph into upright RGB pixels, or says exactly why it cannot.

Six formats: JPEG, PNG, WebP, BMP, GIF and TIFF (of the last two, the first frame). Limits are
checked from the header, before any pixel is decoded. Whatever the bytes are, the outcome is an
array or an `ImageError`. Never knows faces, models, law or storage.

JPEG's cheap decoding at a fraction of its size (Pillow's `draft`) is not used: boxes are in pixels
of the image as decoded, and small faces in large photographs are measured and aligned at full
resolution.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from rightface.errors import ImageBroken, ImageEmpty, ImageTooLarge, ImageUnsupported

Pixels = NDArray[np.uint8]
"""(height, width, 3), red, green, blue, 0..255, upright; may be read-only."""


@dataclass(frozen=True, kw_only=True)
class ImageLimits:
    """How large an image may be. Rekognition's own limit on bytes is 15 MB, on sides 16,384."""

    bytes: int = 15 * 1024 * 1024
    pixels: int = 100_000_000
    side: int = 16_384


DEFAULT = ImageLimits()

_FORMATS: tuple[tuple[str, Callable[[bytes], bool], Callable[[BytesIO], Image.Image]], ...] = (
    ("JPEG", lambda head: head.startswith(b"\xff\xd8\xff"), JpegImageFile),
    ("PNG", lambda head: head.startswith(b"\x89PNG\r\n\x1a\n"), PngImageFile),
    ("WebP", lambda head: head[:4] == b"RIFF" and head[8:12] == b"WEBP", WebPImageFile),
    ("GIF", lambda head: head.startswith((b"GIF87a", b"GIF89a")), GifImageFile),
    ("TIFF", lambda head: head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")), TiffImageFile),
    ("BMP", lambda head: head.startswith(b"BM"), BmpImageFile),
)
# The plugins are called directly: Image.open would try others, and warn about sizes that the
# limits above judge.

# Pillow tells of oddities in metadata, and of large images, by warnings. They are no news here.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")

_DAMAGE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NotImplementedError,
    OSError,
    EOFError,
    SyntaxError,
    TypeError,
    ValueError,
    Warning,
    struct.error,
    zlib.error,
)
"""What Pillow's plugins raise over damaged files, seen by fuzzing and by reading them."""

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF 2.32, tag 0x0112: what must be done to a stored image to see it upright."""

STRIP_PIXELS = 1 << 19
"""What is copied at a time stays in the processor's cache."""

_PLAIN = ("1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr")
_WITH_ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")
_SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N")


def decode(data: bytes, limits: ImageLimits = DEFAULT) -> Pixels:
    """The pixels of the image in `data`: (height, width, 3) RGB, upright.

    Transparent parts are shown on white, as paper and browsers do; 16-bit grey is scaled to 8
    bits; of several frames or pages the first is taken. What a file says itself that it leaves out
    is black, as a PNG whose stream of pixels ends early by its own word.

    Raises:
        ImageEmpty: zero bytes.
        ImageTooLarge: more bytes, pixels or side than `limits`.
        ImageUnsupported: not one of the six formats, or samples without a defined range.
        ImageBroken: one of the six by its first bytes, but damaged or cut short.
    """
    if not data:
        raise ImageEmpty(
            "The image is empty.", why="It has zero bytes.", mend="Send the image's content."
        )
    if len(data) > limits.bytes:
        raise ImageTooLarge(
            "The image has too many bytes.",
            why=f"{len(data)} bytes; at most {limits.bytes} are read.",
            mend="Send it smaller, or as JPEG.",
        )
    name, plugin = _plugin(data)
    try:
        with plugin(BytesIO(data)) as image:
            _require_within(image.size, limits)
            image.load()
            _require_within(image.size, limits)
            return _pixels(image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning, MemoryError) as error:
        raise ImageTooLarge("The image has too many pixels.", mend="Send it smaller.") from error
    except _DAMAGE as error:
        raise ImageBroken(
            f"The {name} image is damaged or cut short.",
            why=f"Decoding stopped ({type(error).__name__}).",
            mend="Send the whole, undamaged file.",
        ) from error


def announced_pixels(data: bytes) -> int:
    """How many pixels the header announces; 0 where there is no header that can be read.

    Decodes nothing: for whoever decides how many large images may be decoded at once.
    """
    try:
        with _plugin(data)[1](BytesIO(data)) as image:
            width, height = image.size
            return int(width) * int(height)
    except (*_DAMAGE, ImageUnsupported, Image.DecompressionBombError, MemoryError):
        return 0


def _plugin(data: bytes) -> tuple[str, Callable[[BytesIO], Image.Image]]:
    head = data[:16]
    for name, begins, plugin in _FORMATS:
        if begins(head):
            return name, plugin
    raise ImageUnsupported(
        "The image's format is not supported.",
        mend="Send JPEG, PNG, WebP, BMP, GIF or TIFF.",
    )


def _require_within(size: tuple[int, int], limits: ImageLimits) -> None:
    width, height = size
    if max(width, height) > limits.side or width * height > limits.pixels:
        raise ImageTooLarge(
            "The image has too many pixels.",
            why=f"{width} × {height}; at most {limits.pixels} pixels and {limits.side} a side.",
            mend="Send it smaller.",
        )


def _orientation(image: Image.Image) -> int:
    """EXIF's orientation, 1..8, of a loaded image (Pillow turns TIFF by itself when it loads).

    Damaged metadata is no reason to refuse good pixels.
    """
    try:
        told = image.getexif().get(0x0112, 1)
    except _DAMAGE:
        return 1
    return told if isinstance(told, int) and told in _UPRIGHT else 1


def _pixels(image: Image.Image) -> Pixels:
    orientation = _orientation(image)
    shown = _as_rgb(image)
    if orientation in _UPRIGHT:
        shown = shown.transpose(_UPRIGHT[orientation])
    return _array(shown)


def _array(image: Image.Image) -> Pixels:
    """The pixels as an array, strip by strip: three times faster than all at once when large."""
    width, height = image.size
    rows = max(1, STRIP_PIXELS // width)
    if height <= rows:
        return np.asarray(image)
    pixels = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, rows):
        bottom = min(height, top + rows)
        pixels[top:bottom] = np.asarray(image.crop((0, top, width, bottom)))
    return pixels


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode in _SIXTEEN_BITS or (image.mode == "I" and image.format == "PNG"):
        grey = np.asarray(image).astype(np.uint32)
        eight = (grey * 255 + 32767) // 65535
        return Image.fromarray(eight.astype(np.uint8)).convert("RGB")
    if image.mode in _WITH_ALPHA or (image.mode in _PLAIN and "transparency" in image.info):
        coloured = image.convert("RGBA")
        white = Image.new("RGBA", coloured.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, coloured).convert("RGB")
    if image.mode in _PLAIN:
        return image if image.mode == "RGB" else image.convert("RGB")
    raise ImageUnsupported(
        "The image's samples are not supported.",
        why=f"Pillow's mode {image.mode} has no defined range of brightness.",
        mend="Send 8 or 16 bits a channel.",
    )
