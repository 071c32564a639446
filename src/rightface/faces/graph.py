"""Turns the weights as others ship them into ONNX graphs that ONNX Runtime runs fast.

Two conversions: dlib's face network (read by `dat`) is built layer by layer; CenterFace's file is
freed of what stops ONNX Runtime from folding and fusing. Import this module only when a graph is
not in the cache yet: `onnx` takes a while. Never knows images, sessions, law or storage.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper

from rightface.errors import WeightsError
from rightface.faces.dat import Layer, Network, Weights
from rightface.faces.detector import MAPS

OPSET = 17


def face_network_graph(network: Network) -> bytes:
    """dlib's network as ONNX: `chips` uint8 (n, side, side, 3) RGB → `templates` float32 (n, 128).

    Affine layers and the input's (x − mean) / 256 are folded into the convolutions; both are exact
    because the first convolution is not padded. The templates are dlib's descriptors (not of unit
    length).
    """
    side, outputs = network.side, network.layers[-1].filters
    builder = _Builder()
    builder.add("Cast", ["chips"], "numbers", to=TensorProto.FLOAT)
    builder.add("Transpose", ["numbers"], "planes", perm=[0, 3, 1, 2])
    builder.follow(network, "planes")
    graph = helper.make_graph(
        builder.nodes,
        "dlib_face_recognition_resnet_model_v1",
        [helper.make_tensor_value_info("chips", TensorProto.UINT8, ["n", side, side, 3])],
        [helper.make_tensor_value_info("templates", TensorProto.FLOAT, ["n", outputs])],
        builder.constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    return bytes(model.SerializeToString())


class _Builder:
    """Collects the nodes; knows each value's channels and side."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self._tags: dict[int, tuple[str, int, int]] = {}

    def add(
        self, operator: str, inputs: list[str], output: str, **attributes: int | str | list[int]
    ) -> str:
        node = helper.make_node(operator, inputs, [output], output)
        node.attribute.extend(
            helper.make_attribute(key, value) for key, value in attributes.items()
        )
        self.nodes.append(node)
        return output

    def constant(self, name: str, values: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def follow(self, network: Network, value: str) -> None:
        """Append every layer of the network, starting from the pixels in `value`."""
        layers, channels, side = network.layers, 3, network.side
        for position, layer in enumerate(layers):
            name = f"{layer.kind}{position}"
            if layer.kind == "con":
                weight, bias = _folded(layer, layers[position + 1])
                if position == 0:
                    weight, bias = _input_folded(weight, bias, network.mean)
                if side == 1 and layer.kernel == (3, 3):
                    layer, weight = _centre_only(layer, weight)  # noqa: PLW2901
                value = self._convolution(name, value, layer, weight, bias)
                channels, side = layer.filters, _after_window(side, layer)
            elif layer.kind == "relu":
                value = self.add("Relu", [value], name)
            elif layer.kind in ("max_pool", "avg_pool"):
                value = self._pool(name, value, layer)
                side = _after_window(side, layer) if layer.kernel[0] else 1
            elif layer.kind == "tag":
                self._tags[layer.label] = (value, channels, side)
            elif layer.kind == "skip":
                value, channels, side = self._tags[layer.label]
            elif layer.kind == "add_prev":
                value, channels, side = self._sum(
                    name, (value, channels, side), self._tags[layer.label]
                )
            elif layer.kind == "fc":
                self.add("Flatten", [value], "pooled", axis=1)
                assert layer.weight is not None
                self.add(
                    "MatMul", ["pooled", self.constant("fc.weight", layer.weight)], "templates"
                )

    def _convolution(
        self, name: str, value: str, layer: Layer, weight: Weights, bias: Weights
    ) -> str:
        rows, columns = layer.padding
        inputs = [
            value,
            self.constant(f"{name}.weight", weight),
            self.constant(f"{name}.bias", bias),
        ]
        return self.add(
            "Conv",
            inputs,
            name,
            kernel_shape=list(layer.kernel),
            strides=list(layer.stride),
            pads=[rows, columns, rows, columns],
        )

    def _pool(self, name: str, value: str, layer: Layer) -> str:
        if not layer.kernel[0]:
            return self.add("GlobalAveragePool", [value], name)
        operator = "MaxPool" if layer.kind == "max_pool" else "AveragePool"
        return self.add(
            operator, [value], name, kernel_shape=list(layer.kernel), strides=list(layer.stride)
        )

    def _sum(
        self, name: str, one: tuple[str, int, int], other: tuple[str, int, int]
    ) -> tuple[str, int, int]:
        """Add two arms; the smaller is padded with zeros, at the end, as dlib's add_prev does."""
        channels, side = max(one[1], other[1]), max(one[2], other[2])
        arms = []
        for which, (value, has_channels, has_side) in zip("ab", (one, other), strict=True):
            lacking = [0, channels - has_channels, side - has_side, side - has_side]
            arms.append(self._padded(f"{name}.{which}", value, lacking))
        return self.add("Add", arms, name), channels, side

    def _padded(self, name: str, value: str, lacking: list[int]) -> str:
        if not any(lacking):
            return value
        pads = self.constant(f"{name}.pads", np.array([0] * 4 + lacking, np.int64))
        return self.add("Pad", [value, pads], name, mode="constant")


def _after_window(side: int, layer: Layer) -> int:
    return (side + 2 * layer.padding[0] - layer.kernel[0]) // layer.stride[0] + 1


def _folded(layer: Layer, affine: Layer) -> tuple[Weights, Weights]:
    """A convolution's weight and bias with the affine layer that follows it worked in."""
    if layer.weight is None or layer.bias is None or affine.weight is None or affine.bias is None:
        raise WeightsError("A layer of dlib's face network has no weights.")
    gamma, beta = affine.weight.astype(np.float64), affine.bias.astype(np.float64)
    weight = layer.weight * gamma[:, None, None, None]
    bias = layer.bias * gamma + beta
    return weight.astype(np.float32), bias.astype(np.float32)


def _centre_only(layer: Layer, weight: Weights) -> tuple[Layer, Weights]:
    """On an image of one pixel, eight of nine weights only ever meet the padding."""
    return replace(layer, kernel=(1, 1), padding=(0, 0)), weight[:, :, 1:2, 1:2]


def _input_folded(
    weight: Weights, bias: Weights, mean: tuple[float, float, float]
) -> tuple[Weights, Weights]:
    """The first convolution for pixels 0..255 instead of (x − mean) / 256."""
    scaled = weight.astype(np.float64) / 256
    shift = (scaled * np.array(mean)[None, :, None, None]).sum(axis=(1, 2, 3))
    return scaled.astype(np.float32), (bias - shift).astype(np.float32)


_CENTERFACE_OUTPUTS = ("537", "538", "539", "540")


def detector_graph(data: bytes) -> bytes:
    """CenterFace's file made fast: `images` uint8 (n, h, w, 3) RGB → `MAPS`.

    Height and width are free, and multiples of 32. The results are those of the file as it is:
    its weights are struck from the graph's inputs (where ONNX Runtime must take them for
    variables, which forbids folding and fusing), and two 1×1 convolutions with nothing between
    them become one.

    Raises:
        WeightsError: `data` is not CenterFace's graph.
    """
    try:
        model = onnx.load_from_string(data)
        _check_centerface(model.graph)
    except (DecodeError, IndexError, KeyError, ValueError) as error:
        raise WeightsError("CenterFace's file is damaged.", why=type(error).__name__) from error
    graph = model.graph
    _join_pointwise(graph, "507", "509")
    _name_inputs_and_outputs(graph)
    _raise_opset(model)
    return bytes(model.SerializeToString())


def _check_centerface(graph: GraphProto) -> None:
    outputs = tuple(output.name for output in graph.output)
    if outputs != _CENTERFACE_OUTPUTS or graph.input[0].name != "input.1":
        raise ValueError("another graph")


def _join_pointwise(graph: GraphProto, first: str, second: str) -> None:
    """Replace the 1×1 convolutions that end in `first` and `second` by their product."""
    nodes = {node.output[0]: node for node in graph.node}
    constants = {constant.name: constant for constant in graph.initializer}
    one, two = nodes[first], nodes[second]
    values = [
        numpy_helper.to_array(constants[name]).astype(np.float64)
        for name in (*one.input[1:], *two.input[1:])
    ]
    weight = np.einsum("om,mi->oi", values[2][:, :, 0, 0], values[0][:, :, 0, 0])
    bias = values[2][:, :, 0, 0] @ values[1] + values[3]
    joined = (weight[:, :, None, None], bias)
    for name, value in zip(two.input[1:], joined, strict=True):
        constants[name].CopyFrom(numpy_helper.from_array(value.astype(np.float32), name))
    two.input[0] = one.input[0]
    graph.node.remove(one)


def _name_inputs_and_outputs(graph: GraphProto) -> None:
    """One input, the pixels; outputs with telling names and free sizes."""
    names = dict(zip(_CENTERFACE_OUTPUTS, MAPS, strict=True))
    for node in graph.node:
        node.output[:] = [names.get(name, name) for name in node.output]
    pixels = [
        helper.make_node("Cast", ["images"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["numbers"], ["input.1"], perm=[0, 3, 1, 2]),
    ]
    nodes = [*pixels, *graph.node]
    del graph.node[:], graph.input[:], graph.output[:], graph.value_info[:]
    graph.node.extend(nodes)
    graph.input.append(
        helper.make_tensor_value_info("images", TensorProto.UINT8, ["n", "h", "w", 3])
    )
    for name, channels in zip(MAPS, (1, 2, 2, 10), strict=True):
        shape: list[str | int | None] = ["n", channels, "rows", "columns"]
        graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))


def _raise_opset(model: onnx.ModelProto) -> None:
    """To `OPSET`, which weights in 8 bits by channel need: nothing that the file uses changed."""
    del model.opset_import[:]
    model.opset_import.append(helper.make_opsetid("", OPSET))
    model.ir_version = 8
    for position, node in enumerate(model.graph.node):
        node.name = f"{node.op_type}{position}"
