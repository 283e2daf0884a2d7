"""A graph in float32 that shows what float16 would do."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the training extra")

import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from models.bundles import RELEASED, read_bundle
from models.export.mixed_precision import lower_to_half
from models.export.rounded_graph import round_as_half
from models.export.stored_weights import restore_weights

IMAGE = np.linspace(0.9, 1.1, 5, dtype=np.float32).reshape(1, 1, 1, 1, 5)


def build_chain(*weights: float) -> onnx.ModelProto:
    """Convolutions of one weight each, one after the other."""
    names = ["image", *(f"after{k}" for k in range(1, len(weights))), "logits"]
    nodes = [
        helper.make_node("Conv", [names[k], f"weight{k}"], [names[k + 1]])
        for k in range(len(weights))
    ]
    tensors = [
        numpy_helper.from_array(np.full((1, 1, 1, 1, 1), one, np.float32), f"weight{k}")
        for k, one in enumerate(weights)
    ]
    shape = [1, 1, 1, 1, 5]
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, shape)],
        tensors,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def run(graph: onnx.ModelProto, image: np.ndarray) -> np.ndarray:
    """On ONNX Runtime's CPU, as the gate does."""
    content = graph.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {graph.graph.input[0].name: image})
    return logits


def compute(*weights: float) -> np.ndarray:
    """The same by numpy's own float16."""
    values = IMAGE.astype(np.float16)
    with np.errstate(over="ignore"):
        for one in weights:
            exact = values.astype(np.float32) * np.float32(np.float16(one))
            values = exact.astype(np.float16)
    return values.astype(np.float32)


@pytest.mark.parametrize(
    "weights", [(300.0, 300.0, 1e-3), (1 / 3, 3.0, 1.0)], ids=["overflow", "rounding"]
)
def test_every_tensor_is_rounded_as_float16_is(weights: tuple[float, ...]) -> None:
    """Overflow, too: the runtime itself would hide both on a CPU."""
    rounded = round_as_half(lower_to_half(build_chain(*weights)))

    np.testing.assert_array_equal(run(rounded, IMAGE), compute(*weights))


def test_the_released_segmenter_answers_nearly_alike_and_not_the_same() -> None:
    """Rounding is there, and is small."""
    bundle = read_bundle(RELEASED / "hn-oar")
    full = restore_weights(onnx.load(bundle.folder / bundle.card.segmenter.artifact))
    image = np.random.default_rng(0).uniform(-1, 1, (1, 1, 32, 32, 32)).astype(np.float32)

    rounded = run(round_as_half(lower_to_half(full)), image)

    difference = np.abs(rounded - run(full, image)).max()
    assert 0 < difference < 0.1
