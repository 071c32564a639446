"""Networks in whole numbers of 8 bits: on a CPU two to three times as fast.

ONNX Runtime's own quantiser makes them: weights by output channel, symmetric; activations by
tensor, by their `ranges`. What follows a detector's last convolutions stays in floating point.
Sums of whole numbers are exact, so machines agree more closely than in floating point. Import this
module only when a graph is not in the cache yet: `onnx` takes a while. Never knows images,
sessions, law or storage.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import ModelProto
from onnxruntime.quantization import CalibrationMethod, QuantType
from onnxruntime.quantization.calibrate import TensorsData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from rightface.faces.ranges import Ranges

OPERATORS = ("Add", "AveragePool", "Conv", "GlobalAveragePool", "MaxPool", "Pad", "Relu")
"""What is computed in whole numbers."""


def quantised(graph: bytes, ranges: Ranges) -> bytes:
    """The same network in 8 bits; inputs and outputs keep their names and types.

    Args:
        graph: in floating point, as `graph.py` makes it.
        ranges: of every tensor that is computed in whole numbers.
    """
    model = onnx.load_from_string(graph)
    reaches = {
        tensor: (np.float32(least), np.float32(greatest))
        for tensor, (least, greatest) in ranges.items()
    }
    quantiser = QDQQuantizer(
        model,
        per_channel=True,
        reduce_range=False,  # `sessions` asks for exact sums where a CPU has no VNNI
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=TensorsData(CalibrationMethod.MinMax, reaches),
        nodes_to_quantize=[],
        nodes_to_exclude=_heads(model),
        op_types_to_quantize=list(OPERATORS),
        extra_options={},
    )
    quantiser.quantize_model()
    made: ModelProto = quantiser.model.model
    return bytes(made.SerializeToString())


def activations(graph: bytes) -> bytes:
    """The network with every tensor on its way as an output: what ranges are taken from."""
    model = onnx.load_from_string(graph)
    known = {output.name for output in model.graph.output}
    for node in model.graph.node:
        for name in node.output:
            if name not in known:
                model.graph.output.append(onnx.ValueInfoProto(name=name))
    return bytes(model.SerializeToString())


def _heads(model: ModelProto) -> list[str]:
    """The operators whose output leaves the network, and the convolution before a sigmoid."""
    leaving = {output.name for output in model.graph.output}
    leaving |= {
        node.input[0]
        for node in model.graph.node
        if node.op_type == "Sigmoid" and leaving & set(node.output)
    }
    return [node.name for node in model.graph.node if leaving & set(node.output)]
