"""Weights stored in half their size; the graph still computes in float32."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HALVED_FROM_VALUES = 1024  # smaller tensors gain nothing


def halve_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph with its weights in float16, each behind a Cast to float32.

    ONNX Runtime turns them back into float32 once, when it loads the graph.
    """
    halved = onnx.ModelProto()
    halved.CopyFrom(model)
    casts = []
    for tensor in halved.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or values.size < HALVED_FROM_VALUES:
            continue
        stored = f"{tensor.name}.half"
        casts.append(helper.make_node("Cast", [stored], [tensor.name], to=TensorProto.FLOAT))
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), stored))
    nodes = [*casts, *halved.graph.node]
    del halved.graph.node[:]
    halved.graph.node.extend(nodes)
    return halved


def restore_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph with all weights in float32: what `halve_weights` was given, but rounded."""
    restored = onnx.ModelProto()
    restored.CopyFrom(model)
    stored = {
        tensor.name: tensor
        for tensor in restored.graph.initializer
        if tensor.data_type == TensorProto.FLOAT16
    }
    kept = []
    for node in restored.graph.node:
        if node.op_type != "Cast" or node.input[0] not in stored:
            kept.append(node)
            continue
        values = numpy_helper.to_array(stored[node.input[0]]).astype(np.float32)
        stored[node.input[0]].CopyFrom(numpy_helper.from_array(values, node.output[0]))
    del restored.graph.node[:]
    restored.graph.node.extend(kept)
    return restored
