"""ONNX Runtime: a graph that does not fit its card is refused before it sees a patient."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from contouring.errors import InferenceError, InvalidBundleError
from models.card import ModelCard
from models.runtimes.onnx_runtime import OnnxPredictor
from tests.models.bundle_files import build_graph, plain_card

STAGE = ModelCard.model_validate(plain_card()).segmenter


def opened(
    folder: Path, graph: onnx.ModelProto | bytes, channels: int = 2, threads: int | None = 1
) -> OnnxPredictor:
    """A predictor on a graph in a folder."""
    content = graph if isinstance(graph, bytes) else graph.SerializeToString()
    (folder / "net.onnx").write_bytes(content)
    return OnnxPredictor(folder, STAGE, channels, threads)


@pytest.mark.parametrize("shape", [("z", "y", "x"), (8, 16, 16)], ids=["dynamic", "fixed"])
def test_a_window_becomes_one_field_per_channel(
    tmp_path: Path, shape: tuple[int | str, int | str, int | str]
) -> None:
    """In the window's own shape and order."""
    windows = np.random.default_rng(1).normal(size=(1, 8, 16, 16)).astype(np.float32)

    logits = opened(tmp_path, build_graph(3, shape), channels=3).predict(windows)

    assert logits.dtype == np.float32
    assert np.array_equal(logits, np.stack([0 * windows, windows, 2 * windows], axis=1))


@pytest.mark.parametrize("batch", [1, "n"], ids=["one at a time", "any number"])
def test_several_windows_are_answered_in_their_order(tmp_path: Path, batch: int | str) -> None:
    """Slices go together; a graph that takes but one gets them one by one."""
    windows = np.random.default_rng(1).normal(size=(5, 8, 16, 16)).astype(np.float32)

    logits = opened(tmp_path, build_graph(2, batch=batch)).predict(windows)

    assert np.array_equal(logits, np.stack([0 * windows, windows], axis=1))


def test_a_dynamic_graph_takes_smaller_windows(tmp_path: Path) -> None:
    """A scan may be smaller than the window."""
    logits = opened(tmp_path, build_graph()).predict(np.ones((1, 4, 8, 8), np.float32))

    assert logits.shape == (1, 2, 4, 8, 8)


def test_one_session_serves_several_threads(tmp_path: Path) -> None:
    """A warm worker shares it."""
    predictor = opened(tmp_path, build_graph())
    windows = [np.full((1, 4, 8, 8), k, np.float32) for k in range(20)]

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(predictor.predict, windows))

    assert [float(answer[0, 1].mean()) for answer in answers] == list(range(20))


def with_second_input() -> onnx.ModelProto:
    """A graph that asks for more than the image."""
    graph = build_graph()
    graph.graph.input.append(helper.make_tensor_value_info("age", TensorProto.FLOAT, [1]))
    return graph


def with_unstated_channels() -> onnx.ModelProto:
    """Three channels, picked in a way that no one can foresee from the graph."""
    graph = build_graph(3)
    node, output = graph.graph.node[0], graph.graph.output[0]
    node.output[0] = "all"
    graph.graph.initializer.append(
        helper.make_tensor("picked", TensorProto.BOOL, [3], [True, True, True])
    )
    graph.graph.node.append(helper.make_node("Compress", ["all", "picked"], ["logits"], axis=1))
    output.type.tensor_type.shape.dim[1].dim_param = "c"
    return graph


def with_too_large_a_tensor() -> onnx.ModelProto:
    """Repeats the image until no machine can hold it, and takes the largest of all."""
    graph = build_graph(2)
    (node,) = graph.graph.node
    shape = helper.make_tensor("shape", TensorProto.INT64, [5], [2**40, 2, 8, 16, 16])
    graph.graph.initializer.append(shape)
    node.output[0] = "one"
    graph.graph.node.append(helper.make_node("Expand", ["one", "shape"], ["many"]))
    graph.graph.node.append(helper.make_node("ReduceMax", ["many"], ["logits"], axes=[0]))
    return graph


def renamed(old: str, new: str) -> onnx.ModelProto:
    """A graph whose tensor is called differently."""
    graph = build_graph()
    for tensor in (*graph.graph.input, *graph.graph.output):
        tensor.name = new if tensor.name == old else tensor.name
    for node in graph.graph.node:
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                names[place] = new if name == old else name
    return graph


@pytest.mark.parametrize(
    ("graph", "reason"),
    [
        (b"not a graph", r"net\.onnx cannot be loaded"),
        (b"", r"net\.onnx cannot be loaded"),
        (renamed("image", "scan"), "no tensor 'image', only scan"),
        (renamed("logits", "answer"), "no tensor 'logits', only answer"),
        (build_graph(3), r"'logits' .* asks for tensor\(float\) \[1, 2, 8, 16, 16\]"),
        (build_graph(2, (16, 16, 8)), r"'image' .* \[1, 1, 8, 16, 16\]"),
        (build_graph(2, element=TensorProto.DOUBLE), r"'image' is tensor\(double\)"),
        (with_second_input(), "inputs besides 'image': .*age"),
    ],
    ids=["rubbish", "empty", "input", "output", "channels", "shape", "type", "second input"],
)
def test_a_graph_that_does_not_fit_its_card_is_refused_with_the_reason(
    tmp_path: Path, graph: onnx.ModelProto | bytes, reason: str
) -> None:
    """At the start, not in the middle of somebody's job."""
    with pytest.raises(InvalidBundleError, match=reason):
        opened(tmp_path, graph)


def test_channels_that_the_graph_does_not_state_are_counted_in_its_answer(tmp_path: Path) -> None:
    """Else structures would be missing, or take each other's channel."""
    predictor = opened(tmp_path, with_unstated_channels(), channels=2)

    with pytest.raises(InferenceError, match="do not belong together"):
        predictor.predict(np.ones((1, 8, 16, 16), np.float32))


def test_a_fixed_graph_says_which_window_it_failed_on(tmp_path: Path) -> None:
    """A scan smaller than a fixed window: the message must lead to the model's author."""
    predictor = opened(tmp_path, build_graph(2, (8, 16, 16)))

    with pytest.raises(InferenceError, match=r"window of \(4, 8, 8\)"):
        predictor.predict(np.ones((1, 4, 8, 8), np.float32))


def test_too_little_memory_is_told_apart_from_other_failures(tmp_path: Path) -> None:
    """The worker then tries smaller windows, which would help against nothing else."""
    predictor = opened(tmp_path, with_too_large_a_tensor(), channels=2)

    with pytest.raises(MemoryError, match="ONNX Runtime"):
        predictor.predict(np.ones((1, 8, 16, 16), np.float32))
