"""A float16 graph as one in float32 that rounds wherever float16 would.

ONNX Runtime's CPU has no convolution in float16: it computes in float32 and drops the casts between
nodes, so that it shows neither what rounding costs nor what overflows. Casts there and back that
stand in the graph itself it keeps.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16


def round_as_half(half: onnx.ModelProto) -> onnx.ModelProto:
    """What `lower_to_half` made, its float16 tensors rounded to float16 and held in float32.

    Products are added up in float32 within a node, as GPUs do.
    """
    typed = onnx.shape_inference.infer_shapes(half, strict_mode=True, data_prop=True)
    tensors = typed.graph.value_info
    halves = {one.name for one in tensors if one.type.tensor_type.elem_type == HALF}
    graph = typed.graph
    for weights in graph.initializer:
        if weights.data_type == HALF:
            values = numpy_helper.to_array(weights).astype(np.float32)
            weights.CopyFrom(numpy_helper.from_array(values, weights.name))
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        _hold_in_float(node)
        rounded = [name for name in node.output if name in halves]
        for place, name in enumerate(node.output):
            if name in halves:
                node.output[place] = f"{name}.exact"
        nodes.append(node)
        for name in rounded:
            nodes.append(helper.make_node("Cast", [f"{name}.exact"], [f"{name}.half"], to=HALF))
            nodes.append(helper.make_node("Cast", [f"{name}.half"], [name], to=FLOAT))
    kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:], graph.value_info[:]
    graph.node.extend(kept)
    onnx.checker.check_model(typed, full_check=True)
    return typed


def _hold_in_float(node: onnx.NodeProto) -> None:
    if node.op_type == "Cast":
        for attribute in node.attribute:
            if attribute.name == "to" and attribute.i == HALF:
                attribute.i = FLOAT
