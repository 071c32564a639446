"""Reads dlib's serialization of its 29-layer face network, without dlib.

The format is dlib's own (`dlib/serialize.h`, `dlib/dnn/core.h`, `dlib/dnn/layers.h`): whole numbers
with a length nibble, floating-point numbers as mantissa and exponent, tensors as a shape and raw
little-endian float32. A network is written from the outside in as version numbers, then from the
input outwards as layers; which layer stands where is not in the file but in the C++ type
(`anet_type` of dlib's `dnn_face_recognition_ex.cpp`), so it is spelled out in `ARCHITECTURE`.

Every length is checked against the bytes that are left before anything is allocated; whatever is
damaged ends in `WeightsError`. Never knows ONNX, pixels, law or storage.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rightface.errors import WeightsError

Kind = Literal["con", "affine", "relu", "max_pool", "avg_pool", "add_prev", "fc", "tag", "skip"]
Weights = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer. Only the fields of its kind are filled."""

    kind: Kind
    filters: int = 0
    """Output channels (con), outputs (fc)."""
    kernel: tuple[int, int] = (0, 0)
    """Height and width in pixels; (0, 0) of an average pool means the whole image."""
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    label: int = 0
    """Which tag this is (tag), goes back to (skip) or is added (add_prev)."""
    weight: Weights | None = None
    """con: (filters, channels, height, width); affine: (channels,); fc: (inputs, outputs)."""
    bias: Weights | None = None


@dataclass(frozen=True, kw_only=True)
class Network:
    """The network as read: the mean colour and side of its input, and the layers in order."""

    mean: tuple[float, float, float]
    """Red, green, blue, 0..255; the input is (pixel − mean) / 256."""
    side: int
    """The input is a square of so many pixels."""
    layers: tuple[Layer, ...]


def _block(filters: int, stride: int) -> list[Layer]:
    return [
        Layer(kind="con", filters=filters, kernel=(3, 3), stride=(stride, stride)),
        Layer(kind="affine"),
        Layer(kind="relu"),
        Layer(kind="con", filters=filters, kernel=(3, 3)),
        Layer(kind="affine"),
    ]


def _residual(filters: int) -> list[Layer]:
    tag, add = Layer(kind="tag", label=1), Layer(kind="add_prev", label=1)
    return [tag, *_block(filters, 1), add, Layer(kind="relu")]


def _residual_down(filters: int) -> list[Layer]:
    return [
        Layer(kind="tag", label=1),
        *_block(filters, 2),
        Layer(kind="tag", label=2),
        Layer(kind="skip", label=1),
        Layer(kind="avg_pool", kernel=(2, 2), stride=(2, 2)),
        Layer(kind="add_prev", label=2),
        Layer(kind="relu"),
    ]


ARCHITECTURE: tuple[Layer, ...] = (
    Layer(kind="con", filters=32, kernel=(7, 7), stride=(2, 2)),
    Layer(kind="affine"),
    Layer(kind="relu"),
    Layer(kind="max_pool", kernel=(3, 3), stride=(2, 2)),
    *(_residual(32) * 3),
    *_residual_down(64),
    *(_residual(64) * 3),
    *_residual_down(128),
    *(_residual(128) * 2),
    *_residual_down(256),
    *(_residual(256) * 2),
    *_residual_down(256),
    Layer(kind="avg_pool"),
    Layer(kind="fc", filters=128),
)
"""`anet_type`, from the input (150×150 RGB) to the 128 numbers."""


def read_network(data: bytes) -> Network:
    """The face network in `data`, the content of dlib_face_recognition_resnet_model_v1.dat.

    Raises:
        WeightsError: damaged, cut short, longer than it should be, or another network.
    """
    reader = _Reader(data)
    reader.expect_number(1, "loss layer's version")
    reader.expect_text("loss_metric_2")
    reader.real()  # the margin and the distance threshold serve training only
    reader.real()
    for layer in reversed(ARCHITECTURE[1:]):
        # dlib: add_tag_layer and add_skip_layer are of version 1, add_layer of version 2
        reader.expect_number(1 if layer.kind in ("tag", "skip") else 2, "layer's version")
    reader.expect_number(3, "first layer's version")
    mean, side = _read_input(reader)
    layers = []
    for position, layer in enumerate(ARCHITECTURE):
        layers.append(_READ[layer.kind](reader, layer))
        if layer.kind not in ("tag", "skip"):
            _read_training_state(reader, first=position == 0)
    reader.expect_end()
    _require_channels_fit(layers)
    return Network(mean=mean, side=side, layers=tuple(layers))


class _Reader:
    """Walks over the bytes; every read is checked against what is left."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self._at = 0

    def _take(self, count: int) -> memoryview:
        if count < 0 or count > len(self._data) - self._at:
            raise _damaged(self._at, "cut short")
        taken = self._data[self._at : self._at + count]
        self._at += count
        return taken

    def number(self) -> int:
        """A whole number: a byte with the sign (0x80) and the length (1..8), then its bytes."""
        head = self._take(1)[0]
        length = head & 0x0F
        if head & 0x70 or not 1 <= length <= 8:
            raise _damaged(self._at, "not a number")
        value = int.from_bytes(self._take(length), "little")
        return -value if head & 0x80 else value

    def count(self, what: str) -> int:
        """A size or shape: small, never negative."""
        value = self.number()
        if not 0 <= value <= 1 << 24:
            raise _damaged(self._at, f"impossible {what}")
        return value

    def real(self) -> float:
        """A floating-point number: mantissa, then exponent of two."""
        mantissa, exponent = self.number(), self.number()
        if not -1100 <= exponent <= 1023 or abs(mantissa) >= 1 << 60:
            raise _damaged(self._at, "not a finite real number")
        try:
            return math.ldexp(mantissa, exponent)
        except OverflowError:
            raise _damaged(self._at, "not a finite real number") from None

    def expect_number(self, wanted: int, what: str) -> None:
        if self.number() != wanted:
            raise _damaged(self._at, f"unexpected {what}")

    def expect_text(self, wanted: str) -> None:
        if self.number() != len(wanted) or bytes(self._take(len(wanted))) != wanted.encode():
            raise _damaged(self._at, f"no '{wanted}'")

    def flags(self, count: int) -> None:
        """Booleans, written as the characters 0 and 1."""
        if any(flag not in b"01" for flag in self._take(count)):
            raise _damaged(self._at, "not a flag")

    def shape(self) -> tuple[int, int, int, int]:
        """Samples, channels, rows, columns."""
        return (
            self.count("samples"),
            self.count("channels"),
            self.count("rows"),
            self.count("columns"),
        )

    def alias(self) -> tuple[int, int, int, int]:
        """The shape of a part of a tensor."""
        self.expect_number(1, "alias' version")
        return self.shape()

    def tensor(self) -> Weights:
        """All numbers of a tensor, flat, finite. The bytes must be there before memory is taken."""
        self.expect_number(2, "tensor's version")
        values = np.frombuffer(self._take(4 * math.prod(self.shape())), "<f4")
        if not np.isfinite(values).all():
            raise _damaged(self._at, "a weight is not finite")
        return values

    def expect_end(self) -> None:
        if self._at != len(self._data):
            raise _damaged(self._at, "more data than the network has")


def _damaged(at: int, how: str) -> WeightsError:
    return WeightsError(
        "The file of dlib's face network is damaged.",
        why=f"At byte {at}: {how}.",
        mend="Install face_recognition_models again.",
    )


def _read_input(reader: _Reader) -> tuple[tuple[float, float, float], int]:
    reader.expect_text("input_rgb_image_sized")
    mean = (reader.real(), reader.real(), reader.real())
    rows, columns = reader.count("rows"), reader.count("columns")
    if (rows, columns) != (150, 150) or not all(0 <= colour <= 255 for colour in mean):
        raise _damaged(reader._at, "unexpected input")
    return mean, rows


def _read_con(reader: _Reader, layer: Layer) -> Layer:
    reader.expect_text("con_4")
    parameters = reader.tensor()
    reader.expect_number(layer.filters, "number of filters")
    _expect_window(reader, layer, padding=_padding(layer))
    filters, biases = reader.alias(), reader.alias()
    _read_multipliers(reader)
    split = math.prod(filters)
    fits = (
        filters[0] == layer.filters
        and filters[2:] == layer.kernel
        and biases == (1, layer.filters, 1, 1)
        and parameters.size == split + layer.filters
    )
    if not fits:
        raise _damaged(reader._at, "a convolution's weights do not fit its shape")
    return Layer(
        kind="con",
        filters=layer.filters,
        kernel=layer.kernel,
        stride=layer.stride,
        padding=_padding(layer),
        weight=parameters[:split].reshape(filters),
        bias=parameters[split:],
    )


def _padding(layer: Layer) -> tuple[int, int]:
    # dlib/dnn/layers.h: a window is padded by half its size unless it strides
    rows, columns = layer.kernel
    return (
        rows // 2 if layer.stride[0] == 1 else 0,
        columns // 2 if layer.stride[1] == 1 else 0,
    )


def _expect_window(reader: _Reader, layer: Layer, *, padding: tuple[int, int]) -> None:
    for wanted in (*layer.kernel, *layer.stride, *padding):
        reader.expect_number(wanted, "window")


def _read_multipliers(reader: _Reader) -> None:
    for _ in range(4):  # learning rate and weight decay, of weights and of bias: training only
        reader.real()


def _read_affine(reader: _Reader, layer: Layer) -> Layer:
    reader.expect_text("affine_")
    parameters = reader.tensor()
    gamma, beta = reader.alias(), reader.alias()
    reader.expect_number(0, "mode")  # 0: one factor for each channel (CONV_MODE)
    channels = gamma[1]
    if gamma != (1, channels, 1, 1) or beta != gamma or parameters.size != 2 * channels:
        raise _damaged(reader._at, "an affine layer's weights do not fit its shape")
    return Layer(kind="affine", weight=parameters[:channels], bias=parameters[channels:])


def _read_relu(reader: _Reader, layer: Layer) -> Layer:
    reader.expect_text("relu_")
    return layer


def _read_max_pool(reader: _Reader, layer: Layer) -> Layer:
    reader.expect_text("max_pool_2")
    _expect_window(reader, layer, padding=(0, 0))
    return layer


def _read_avg_pool(reader: _Reader, layer: Layer) -> Layer:
    reader.expect_text("avg_pool_2")
    _expect_window(reader, layer, padding=(0, 0))
    return layer


def _read_add_prev(reader: _Reader, layer: Layer) -> Layer:
    reader.expect_text("add_prev_")
    return layer


def _read_fc(reader: _Reader, layer: Layer) -> Layer:
    reader.expect_text("fc_2")
    reader.expect_number(layer.filters, "number of outputs")
    inputs = reader.count("inputs")
    parameters = reader.tensor()
    weights, biases = reader.alias(), reader.alias()
    reader.expect_number(1, "bias mode")  # 1: no bias
    _read_multipliers(reader)
    fits = (
        weights == (inputs, layer.filters, 1, 1)
        and math.prod(biases) == 0
        and parameters.size == math.prod(weights)
    )
    if not fits:
        raise _damaged(reader._at, "the last layer's weights do not fit its shape")
    return Layer(kind="fc", filters=layer.filters, weight=parameters.reshape(weights[:2]))


def _read_nothing(reader: _Reader, layer: Layer) -> Layer:
    return layer


_READ: dict[Kind, Callable[[_Reader, Layer], Layer]] = {
    "con": _read_con,
    "affine": _read_affine,
    "relu": _read_relu,
    "max_pool": _read_max_pool,
    "avg_pool": _read_avg_pool,
    "add_prev": _read_add_prev,
    "fc": _read_fc,
    "tag": _read_nothing,
    "skip": _read_nothing,
}


def _read_training_state(reader: _Reader, *, first: bool) -> None:
    reader.flags(3)
    for _ in range(3):  # gradients and cached output: shapes and numbers that inference ignores
        reader.tensor()
    if first:
        reader.expect_number(1, "sample expansion factor")


def _require_channels_fit(layers: list[Layer]) -> None:
    channels = 3
    for layer in layers:
        if layer.weight is None:
            continue
        wanted = layer.weight.shape[1 if layer.kind == "con" else 0]
        if wanted != channels:
            raise _damaged(0, "the layers' weights do not fit each other")
        channels = layer.filters or channels
