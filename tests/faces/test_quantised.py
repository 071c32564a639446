"""Both networks in 8 bits, and the ranges that say what the 8 bits stand for."""

from __future__ import annotations

import hashlib
import json
from importlib.resources import files
from pathlib import Path

import numpy as np
import onnx
import pytest

from rightface.errors import WeightsError
from rightface.faces import ranges, sessions
from rightface.faces.detector import MAPS, MULTIPLE
from rightface.faces.engine import Engine
from rightface.faces.graph import detector_graph
from rightface.faces.packs import CENTERFACE, load_pack
from rightface.faces.quantised import activations, quantised
from rightface.faces.sessions import opened


def test_the_inside_is_in_whole_numbers_and_the_heads_are_not() -> None:
    graph = quantised(detector_graph(CENTERFACE.read()), ranges.shipped(ranges.DETECTOR))
    model = onnx.load_from_string(graph)
    made_by = {name: node for node in model.graph.node for name in node.output}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    whole = [one for one in convolutions if made_by[one.input[0]].op_type == "DequantizeLinear"]
    assert len(whole) > 0.9 * len(convolutions)
    for name in MAPS:
        weights = made_by[name].input[0 if made_by[name].op_type == "Sigmoid" else 1]
        assert weights not in made_by or made_by[weights].op_type == "Conv"


def test_every_tensor_stays_within_its_range_or_near_it() -> None:
    """On noise, which none of the ranges was taken from."""
    session = opened(activations(detector_graph(CENTERFACE.read())), threads=1)
    told = ranges.shipped(ranges.DETECTOR)
    side = 3 * MULTIPLE
    images = np.random.default_rng(2).integers(0, 256, (1, side, side, 3), np.uint8)
    names = [one.name for one in session.get_outputs()]
    assert set(names) == set(told)
    within = 0
    for name, numbers in zip(names, session.run(names, {"images": images}), strict=True):
        least, greatest = told[name]
        inside = (numbers >= least) & (numbers <= greatest)
        within += bool(inside.mean() > 0.99)
    assert within > 0.9 * len(names)


def test_pixels_keep_their_own_256_steps() -> None:
    for network, pixels in ((ranges.DETECTOR, "input.1"), (ranges.FACE_NETWORK, "planes")):
        assert ranges.shipped(network)[pixels] == (0.0, 255.0)


def test_other_ranges_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges, "SHA256", "0" * 64)
    with pytest.raises(WeightsError, match="ranges"):
        ranges.shipped(ranges.DETECTOR)


def test_the_file_says_what_it_was_taken_from() -> None:
    told = json.loads((files("rightface.faces") / ranges.FILE).read_text("utf-8"))
    assert set(told["photographs"]) == {"congress", "lfw", "london", "utkface"}
    assert all(count > 0 for count in told["photographs"].values())


def test_the_networks_are_those_that_were_measured() -> None:
    """With the pinned ONNX Runtime; with another the engine says so in its log."""
    assert set(ranges.GRAPHS) == {ranges.DETECTOR, ranges.FACE_NETWORK}
    made = quantised(detector_graph(CENTERFACE.read()), ranges.shipped(ranges.DETECTOR))
    assert hashlib.sha256(made).hexdigest() == ranges.GRAPHS[ranges.DETECTOR]


def test_another_network_than_the_measured_one_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    Engine(load_pack(), cache=tmp_path / "one", threads=3, detector_side=64)
    assert "otherwise" not in caplog.text
    monkeypatch.setattr(ranges, "GRAPHS", dict.fromkeys(ranges.GRAPHS, "0" * 64))
    monkeypatch.setattr(sessions, "GRAPH_VERSION", "another")
    Engine(load_pack(), cache=tmp_path / "other", threads=3, detector_side=64)
    assert caplog.text.count("otherwise") == len(ranges.GRAPHS)
