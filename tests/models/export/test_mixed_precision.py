"""Float16 in the graph: where it computes so, and that it answers as before."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

pytest.importorskip("torch", reason="needs the training extra")

from onnx import TensorProto, helper

from models.export.mixed_precision import lower_to_half
from models.export.onnx_export import ExportError
from tests.models.export.small_graphs import answer, build_small_graph, made_images, operators

FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16


def _types(model: onnx.ModelProto) -> dict[str, int]:
    """The element type of every tensor, as the standard's own inference finds it."""
    typed = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    graph = typed.graph
    values = (*graph.input, *graph.value_info, *graph.output)
    found = {value.name: value.type.tensor_type.elem_type for value in values}
    return found | {tensor.name: tensor.data_type for tensor in graph.initializer}


def test_convolutions_are_half_and_normalisation_and_softmax_are_not() -> None:
    """Sums over many values overflow float16; products of kernels do not."""
    lowered = lower_to_half(build_small_graph())

    types, found = _types(lowered), operators(lowered)
    assert [types[node.output[0]] for node in found["Conv"]] == [HALF, HALF]
    assert {types[name] for node in found["Conv"] for name in node.input} == {HALF}
    for operator in ("InstanceNormalization", "Softmax"):
        (node,) = found[operator]
        assert {types[name] for name in (*node.input, *node.output)} == {FLOAT}


def test_the_graph_is_served_like_any_other() -> None:
    """Whoever calls it sends and gets float32, under the same names."""
    lowered = lower_to_half(build_small_graph())

    tensors = (lowered.graph.input[0], lowered.graph.output[0])
    assert [t.name for t in tensors] == ["image", "logits"]
    assert {t.type.tensor_type.elem_type for t in tensors} == {FLOAT}


def test_it_answers_as_before() -> None:
    """Half the digits are gone, and no more."""
    graph, (image,) = build_small_graph(), made_images(1)

    difference = np.abs(answer(lower_to_half(graph), image) - answer(graph, image)).max()

    assert 0 < difference < 5e-3


def test_a_constant_that_float16_would_lose_keeps_its_operator_in_float() -> None:
    """An epsilon that became zero would let a later division fail."""
    lowered = lower_to_half(build_small_graph())

    types, found = _types(lowered), operators(lowered)
    (addition,) = found["Add"]
    assert types[addition.output[0]] == FLOAT
    assert "tiny" in addition.input


def test_products_of_two_images_stay_in_float() -> None:
    """Queries with keys: the sums of attention are what overflows first."""
    weights = helper.make_tensor("weights", FLOAT, [4, 4], np.eye(4).ravel().tolist())
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["image", "weights"], ["keys"]),
            helper.make_node("MatMul", ["keys", "image"], ["logits"]),
        ],
        "attention",
        [helper.make_tensor_value_info("image", FLOAT, [4, 4])],
        [helper.make_tensor_value_info("logits", FLOAT, [4, 4])],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)

    types = _types(lower_to_half(model))

    assert (types["keys"], types["logits"]) == (HALF, FLOAT)


def test_the_scales_of_a_resize_stay_as_the_standard_wants_them() -> None:
    """They are float32 whatever the image is; a graph with others cannot be loaded."""
    scales = helper.make_tensor("scales", FLOAT, [5], [1.0, 1.0, 2.0, 2.0, 2.0])
    graph = helper.make_graph(
        [helper.make_node("Resize", ["image", "", "scales"], ["logits"], mode="nearest")],
        "resize",
        [helper.make_tensor_value_info("image", FLOAT, [1, 1, 2, 2, 2])],
        [helper.make_tensor_value_info("logits", FLOAT, [1, 1, 4, 4, 4])],
        [scales],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    image = np.arange(8, dtype=np.float32).reshape(1, 1, 2, 2, 2)

    lowered = lower_to_half(model)

    assert np.array_equal(answer(lowered, image), answer(model, image))
    assert _types(lowered)["scales"] == FLOAT


def test_a_graph_with_branches_is_refused() -> None:
    """Its inner graphs would be left in float32 without anybody knowing."""
    branch = helper.make_graph(
        [helper.make_node("Identity", ["image"], ["inner"])],
        "branch",
        [],
        [helper.make_tensor_value_info("inner", FLOAT, [1])],
    )
    choice = helper.make_node("If", ["yes"], ["logits"], then_branch=branch, else_branch=branch)
    graph = helper.make_graph(
        [choice],
        "branches",
        [
            helper.make_tensor_value_info("image", FLOAT, [1]),
            helper.make_tensor_value_info("yes", TensorProto.BOOL, []),
        ],
        [helper.make_tensor_value_info("logits", FLOAT, [1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)

    with pytest.raises(ExportError, match="If holds a graph"):
        lower_to_half(model)
