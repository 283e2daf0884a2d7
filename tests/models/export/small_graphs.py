"""A graph of a few operators, as an exported network has them, and what it answers."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPERATOR_SET = 20
CHANNELS, CLASSES = 16, 3
SHAPE_ZYX = (6, 8, 10)


def build_small_graph() -> onnx.ModelProto:
    """Convolution, instance normalisation, leaky ReLU, a gate by softmax, a pointwise head."""
    rng = np.random.default_rng(0)
    weights = {
        "kernel": rng.normal(0, 0.2, (CHANNELS, 1, 3, 3, 3)),
        "scale": np.ones(CHANNELS),
        "shift": np.zeros(CHANNELS),
        "tiny": np.array([1e-9]),
        "head": rng.normal(0, 0.3, (CLASSES, CHANNELS, 1, 1, 1)),
    }
    nodes = [
        helper.make_node("Conv", ["image", "kernel"], ["c"], pads=[1] * 6),
        helper.make_node("InstanceNormalization", ["c", "scale", "shift"], ["n"]),
        helper.make_node("LeakyRelu", ["n"], ["r"], alpha=0.01),
        helper.make_node("Softmax", ["r"], ["s"], axis=1),
        helper.make_node("Mul", ["r", "s"], ["g"]),
        helper.make_node("Add", ["g", "tiny"], ["a"]),
        helper.make_node("Conv", ["a", "head"], ["logits"]),
    ]
    sides = ["batch", 1, "z", "y", "x"]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, sides)],
        [
            helper.make_tensor_value_info(
                "logits", TensorProto.FLOAT, ["batch", CLASSES, *sides[2:]]
            )
        ],
        [numpy_helper.from_array(v.astype(np.float32), name) for name, v in weights.items()],
    )
    opset = [helper.make_opsetid("", OPERATOR_SET)]
    return helper.make_model(graph, opset_imports=opset, ir_version=10)


def made_images(count: int, seed: int = 0) -> list[NDArray[np.float32]]:
    """Images (1, 1, z, y, x) of noise between -1 and 1."""
    rng = np.random.default_rng(seed)
    return [rng.uniform(-1, 1, (1, 1, *SHAPE_ZYX)).astype(np.float32) for _ in range(count)]


def answer(model: onnx.ModelProto, image: NDArray[np.float32]) -> NDArray[np.float32]:
    """The graph's logits in ONNX Runtime."""
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (logits,) = session.run(["logits"], {"image": image})
    return np.asarray(logits)


def operators(model: onnx.ModelProto) -> dict[str, list[onnx.NodeProto]]:
    """The graph's nodes by operator."""
    found: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        found.setdefault(node.op_type, []).append(node)
    return found
