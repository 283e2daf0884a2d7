"""Float16 written into the graph: strongly typed, as TensorRT 11 wants it.

Convolutions and linear layers compute in float16. Normalisation, softmax, the products of
attention and every sum over many values stay in float32: there float16 overflows (65 504) or loses
what it adds. Input and output of the graph stay float32, so that it serves like any other.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.export.onnx_export import ExportError

FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16
LARGEST_HALF = 65504.0
# fmt: off
KEPT_IN_FLOAT = frozenset({
    "BatchNormalization", "Cast", "Constant", "ConstantOfShape", "CumSum", "Div", "Einsum", "Erf",
    "Exp", "GlobalAveragePool", "GroupNormalization", "InstanceNormalization",
    "LayerNormalization", "Log", "LogSoftmax", "MeanVarianceNormalization", "Pow", "Range",
    "Reciprocal", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMean",
    "ReduceProd", "ReduceSum", "ReduceSumSquare", "Softmax", "Softplus", "Sqrt",
})
# fmt: on
READS_ANY_TYPE = frozenset({"Shape", "Size"})
# Its scales are float32 whatever the image is.
FIRST_INPUT_ONLY = frozenset({"Resize"})


def lower_to_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """A graph whose types say where it computes in float16; a Cast stands at every border.

    Raises `ExportError` for graphs with branches or loops, which no exported network has.
    """
    typed = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    lowering = _Lowering(typed)
    for node in typed.graph.node:
        lowering.add(node)
    return lowering.finish()


class _Lowering:
    """Rebuilds a graph node by node, and knows in which type each of its tensors is at hand."""

    def __init__(self, model: onnx.ModelProto) -> None:
        graph = model.graph
        self._model = model
        self._constants = {tensor.name: tensor for tensor in graph.initializer}
        declared = (*graph.input, *graph.value_info, *graph.output)
        self._types = {value.name: value.type.tensor_type.elem_type for value in declared}
        self._types |= {tensor.name: tensor.data_type for tensor in graph.initializer}
        self._nodes: list[onnx.NodeProto] = []
        self._made: dict[str, onnx.TensorProto] = {}  # constants in float16
        # Float tensors that the new graph computes in float16, under their old names.
        self._halves: set[str] = set()
        self._cast: dict[tuple[str, int], str] = {}

    def add(self, node: onnx.NodeProto) -> None:
        """The node in the type that suits it, behind the casts that it needs."""
        if any(attribute.type == onnx.AttributeProto.GRAPH for attribute in node.attribute):
            raise ExportError(f"{node.op_type} holds a graph of its own; it cannot be lowered")
        placed = onnx.NodeProto()
        placed.CopyFrom(node)
        if node.op_type in READS_ANY_TYPE:
            self._nodes.append(placed)
            return
        wanted = HALF if self._is_lowered(node) else FLOAT
        for place, name in enumerate(node.input):
            if not name or self._types.get(name) != FLOAT:
                continue
            first_only = node.op_type in FIRST_INPUT_ONLY and place > 0
            placed.input[place] = self._as(name, FLOAT if first_only else wanted)
        self._nodes.append(placed)
        if wanted == HALF:
            self._halves.update(name for name in node.output if self._types.get(name) == FLOAT)

    def finish(self) -> onnx.ModelProto:
        """The new graph, its outputs turned back into float32."""
        lowered = onnx.ModelProto()
        lowered.CopyFrom(self._model)
        graph = lowered.graph
        for output in graph.output:
            if output.name in self._halves:
                self._end_in_float(output.name)
        used = {name for node in self._nodes for name in node.input}
        kept = [t for t in (*self._constants.values(), *self._made.values()) if t.name in used]
        del graph.node[:], graph.initializer[:], graph.value_info[:]
        graph.node.extend(self._nodes)
        graph.initializer.extend(kept)
        onnx.checker.check_model(lowered, full_check=True)
        return lowered

    def _is_lowered(self, node: onnx.NodeProto) -> bool:
        """Whether it computes floats, in float16 without harm."""
        outputs = [self._types.get(name) for name in node.output if name]
        if FLOAT not in outputs or node.op_type in KEPT_IN_FLOAT:
            return False
        if node.op_type == "MatMul" and not any(name in self._constants for name in node.input):
            return False  # queries with keys, weights with values
        return all(_fits_half(self._constants[n]) for n in node.input if n in self._constants)

    def _as(self, name: str, wanted: int) -> str:
        """The tensor's name in the wanted type, behind one Cast for all who ask."""
        is_half = name in self._halves
        if is_half == (wanted == HALF):
            return name
        if (name, wanted) not in self._cast:
            self._cast[name, wanted] = self._made_in(name, wanted)
        return self._cast[name, wanted]

    def _made_in(self, name: str, wanted: int) -> str:
        made = f"{name}.{'half' if wanted == HALF else 'float'}"
        if name in self._constants:
            values = numpy_helper.to_array(self._constants[name]).astype(np.float16)
            self._made[made] = numpy_helper.from_array(values, made)
        else:
            self._nodes.append(helper.make_node("Cast", [name], [made], to=wanted))
        return made

    def _end_in_float(self, output: str) -> None:
        """The graph's output keeps its name; what made it gets another."""
        inner = f"{output}.half"
        for node in self._nodes:
            for names in (node.input, node.output):
                for place, name in enumerate(names):
                    if name == output:
                        names[place] = inner
        self._nodes.append(helper.make_node("Cast", [inner], [output], to=FLOAT))


def _fits_half(tensor: onnx.TensorProto) -> bool:
    """No value overflows, and no single constant, such as an epsilon, becomes zero."""
    if tensor.data_type != FLOAT:
        return True
    values = numpy_helper.to_array(tensor)
    if values.size == 0:
        return True
    overflows = bool(np.abs(values).max() > LARGEST_HALF)
    vanishes = values.size == 1 and bool(values.any()) and not bool(values.astype(np.float16).any())
    return not overflows and not vanishes
