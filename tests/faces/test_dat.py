"""The reader of dlib's file: the whole file, and every way of damaging it."""

from __future__ import annotations

import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightface.errors import WeightsError
from rightface.faces.dat import ARCHITECTURE, read_network
from rightface.faces.packs import DLIB_FACE_NETWORK

WHOLE = DLIB_FACE_NETWORK.read()
FIRST_TENSOR = WHOLE.index(b"con_4") + 5


def test_the_whole_network_is_read() -> None:
    network = read_network(WHOLE)
    assert network.side == 150
    assert network.mean == pytest.approx((122.782, 117.001, 104.298), abs=1e-4)
    assert [layer.kind for layer in network.layers] == [layer.kind for layer in ARCHITECTURE]
    assert sum(layer.kind == "con" for layer in network.layers) == 29
    numbers = sum(layer.weight.size for layer in network.layers if layer.weight is not None)
    assert 5_500_000 < numbers < 5_700_000
    strides = [layer for layer in network.layers if layer.kind == "con" and layer.stride == (2, 2)]
    assert all(layer.padding == (0, 0) for layer in strides)


def number(value: int, length: int | None = None) -> bytes:
    """dlib's form of a whole number."""
    magnitude = abs(value)
    size = length or max(1, (magnitude.bit_length() + 7) // 8)
    return bytes([size | (0x80 if value < 0 else 0)]) + magnitude.to_bytes(size, "little")


@pytest.mark.parametrize("length", [0, 1, 5, 100, 500, 5_000, 1_000_000, len(WHOLE) - 1])
def test_cut_short(length: int) -> None:
    with pytest.raises(WeightsError):
        read_network(WHOLE[:length])


def test_too_long() -> None:
    with pytest.raises(WeightsError, match="more data"):
        read_network(WHOLE + b"\0")


@pytest.mark.parametrize(
    "shape",
    [
        (1 << 24, 1 << 24, 1 << 24, 1 << 24),
        (1 << 62, 1, 1, 1),
        (-1, 1, 1, 1),
        (0, 0, 0, 0),
        (4737, 1, 1, 1),
    ],
)
def test_a_tensor_that_promises_too_much_takes_no_memory(shape: tuple[int, ...]) -> None:
    head = number(2) + b"".join(number(size) for size in shape)
    tracemalloc.start()
    try:
        with pytest.raises(WeightsError):
            read_network(WHOLE[:FIRST_TENSOR] + head + WHOLE[FIRST_TENSOR + 11 :])
        assert tracemalloc.get_traced_memory()[1] < 60_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_weight_that_is_no_number_is_damage(value: float) -> None:
    place = FIRST_TENSOR + 11 + 400
    with pytest.raises(WeightsError, match="not finite"):
        read_network(WHOLE[:place] + struct.pack("<f", value) + WHOLE[place + 4 :])


def structure() -> list[int]:
    """The places of bytes that are not weights: some thousands."""
    marks = (b"con_4", b"affine_", b"relu_", b"pool_2", b"add_prev_", b"fc_2", b"input_rgb")
    places = set(range(FIRST_TENSOR + 11)) | set(range(len(WHOLE) - 80, len(WHOLE)))
    for mark in marks:
        start = WHOLE.find(mark)
        while start >= 0:
            places.update(range(max(0, start - 60), min(len(WHOLE), start + 40)))
            start = WHOLE.find(mark, start + 1)
    return sorted(places)


STRUCTURE = structure()


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_damaged_files_end_in_one_error_or_the_same_network(data: st.DataObject) -> None:
    place = data.draw(st.sampled_from(STRUCTURE))
    match data.draw(st.sampled_from(["change", "cut", "insert", "number"])):
        case "change":
            damaged = WHOLE[:place] + data.draw(st.binary(min_size=1, max_size=1))
            damaged += WHOLE[place + 1 :]
        case "cut":
            damaged = WHOLE[:place] + WHOLE[place + data.draw(st.integers(1, 50)) :]
        case "insert":
            damaged = WHOLE[:place] + data.draw(st.binary(min_size=1, max_size=9)) + WHOLE[place:]
        case _:
            told = number(data.draw(st.integers(-(1 << 63), 1 << 63)), 8)
            damaged = WHOLE[:place] + told + WHOLE[place + 2 :]
    try:
        network = read_network(damaged)
    except WeightsError:
        return
    # Some bytes serve training only, and weights may be changed: the shape is the same.
    assert [layer.kind for layer in network.layers] == [layer.kind for layer in ARCHITECTURE]


@given(st.binary(max_size=2000))
def test_noise_is_damage(noise: bytes) -> None:
    with pytest.raises(WeightsError):
        read_network(noise)
    with pytest.raises(WeightsError):
        read_network(WHOLE[:300] + noise)
