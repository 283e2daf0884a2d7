"""Each runtime: a graph that does not fit its card is refused before it sees a patient."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from contouring.errors import InferenceError, InvalidBundleError
from models.card import ModelCard
from models.runtimes.choice import NetworkPredictor
from models.runtimes.onnx_runtime import OnnxPredictor
from models.runtimes.openvino_runtime import OpenVinoPredictor
from tests.models.bundle_files import build_graph, plain_card

STAGE = ModelCard.model_validate(plain_card()).segmenter


class Open(Protocol):
    """Opens a graph with one runtime."""

    def __call__(
        self, graph: onnx.ModelProto | bytes, channels: int = 2, threads: int | None = 1
    ) -> NetworkPredictor:
        """Of a file in a folder of the test's own."""


@pytest.fixture(params=[OnnxPredictor, OpenVinoPredictor], ids=["onnxruntime", "openvino"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Each runtime in turn."""

    def open_graph(
        graph: onnx.ModelProto | bytes, channels: int = 2, threads: int | None = 1
    ) -> NetworkPredictor:
        content = graph if isinstance(graph, bytes) else graph.SerializeToString()
        (tmp_path / "net.onnx").write_bytes(content)
        stage = STAGE.model_copy(update={"sha256": hashlib.sha256(content).hexdigest()})
        predictor: NetworkPredictor = request.param(tmp_path, stage, channels, threads)
        return predictor

    return open_graph


@pytest.mark.parametrize("shape", [("z", "y", "x"), (8, 16, 16)], ids=["dynamic", "fixed"])
def test_a_window_becomes_one_field_per_channel(
    opened: Open, shape: tuple[int | str, int | str, int | str]
) -> None:
    """In the window's own shape and order."""
    windows = np.random.default_rng(1).normal(size=(1, 8, 16, 16)).astype(np.float32)

    logits = opened(build_graph(3, shape), channels=3).predict(windows)

    assert logits.dtype == np.float32
    assert np.array_equal(logits, np.stack([0 * windows, windows, 2 * windows], axis=1))


@pytest.mark.parametrize("batch", [1, "n"], ids=["one at a time", "any number"])
def test_several_windows_are_answered_in_their_order(opened: Open, batch: int | str) -> None:
    """Slices go together; a graph that takes but one gets them one by one."""
    windows = np.random.default_rng(1).normal(size=(5, 8, 16, 16)).astype(np.float32)

    logits = opened(build_graph(2, batch=batch)).predict(windows)

    assert np.array_equal(logits, np.stack([0 * windows, windows], axis=1))


def test_of_several_outputs_the_card_s_is_the_answer(opened: Open) -> None:
    """Networks with deep supervision have others, of the same shape."""
    windows = np.ones((1, 8, 16, 16), np.float32)

    logits = opened(with_another_output()).predict(windows)

    assert np.array_equal(logits, np.stack([0 * windows, windows], axis=1))


def test_an_answer_stays_when_the_next_one_is_made(opened: Open) -> None:
    """Windows are blended after others were run."""
    predictor = opened(build_graph())
    first = predictor.predict(np.full((1, 4, 8, 8), 1.0, np.float32))

    predictor.predict(np.full((1, 4, 8, 8), 2.0, np.float32))

    assert float(first[0, 1].min()) == float(first[0, 1].max()) == 1.0


def test_a_dynamic_graph_takes_smaller_windows(opened: Open) -> None:
    """A scan may be smaller than the window."""
    logits = opened(build_graph()).predict(np.ones((1, 4, 8, 8), np.float32))

    assert logits.shape == (1, 2, 4, 8, 8)


def test_one_session_serves_several_threads(opened: Open) -> None:
    """A warm worker shares it."""
    predictor = opened(build_graph())
    windows = [np.full((1, 4, 8, 8), k, np.float32) for k in range(20)]

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(predictor.predict, windows))

    assert [float(answer[0, 1].mean()) for answer in answers] == list(range(20))


def with_second_input() -> onnx.ModelProto:
    """A graph that asks for more than the image."""
    graph = build_graph()
    graph.graph.input.append(helper.make_tensor_value_info("age", TensorProto.FLOAT, [1]))
    graph.graph.node[0].output[0] = "young"
    graph.graph.node.append(helper.make_node("Add", ["young", "age"], ["logits"]))
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


def with_another_output() -> onnx.ModelProto:
    """The image turned into its negative, before the logits."""
    graph = build_graph(2)
    (logits,) = graph.graph.output
    graph.graph.node.append(helper.make_node("Neg", ["logits"], ["aside"]))
    shape = [1, 2, "z", "y", "x"]
    aside = helper.make_tensor_value_info("aside", TensorProto.FLOAT, shape)
    kept = onnx.ValueInfoProto()
    kept.CopyFrom(logits)
    del graph.graph.output[:]
    graph.graph.output.extend([aside, kept])
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
        (build_graph(3), r"'logits' .* asks for float32 \[1, 2, 8, 16, 16\]"),
        (build_graph(2, (16, 16, 8)), r"'image' .* \[1, 1, 8, 16, 16\]"),
        (build_graph(2, element=TensorProto.DOUBLE), r"'image' is (tensor\(double\)|f64)"),
        (with_second_input(), "inputs besides 'image': .*age"),
    ],
    ids=["rubbish", "empty", "input", "output", "channels", "shape", "type", "second input"],
)
def test_a_graph_that_does_not_fit_its_card_is_refused_with_the_reason(
    opened: Open, graph: onnx.ModelProto | bytes, reason: str
) -> None:
    """At the start, not in the middle of somebody's job."""
    with pytest.raises(InvalidBundleError, match=reason):
        opened(graph)


def test_channels_that_the_graph_does_not_state_are_counted(opened: Open) -> None:
    """In its answer, if not before; else structures would take each other's channel."""
    with pytest.raises((InferenceError, InvalidBundleError), match=r"do not belong|asks for"):
        opened(with_unstated_channels(), channels=2).predict(np.ones((1, 8, 16, 16), np.float32))


def test_a_fixed_graph_says_which_window_it_failed_on(opened: Open) -> None:
    """A scan smaller than a fixed window: the message must lead to the model's author."""
    predictor = opened(build_graph(2, (8, 16, 16)))

    with pytest.raises(InferenceError, match=r"window of \(4, 8, 8\)"):
        predictor.predict(np.ones((1, 4, 8, 8), np.float32))


@pytest.mark.parametrize("runtime", ["onnxruntime-cpu", "openvino"])
@pytest.mark.parametrize("threads", ["1", "2"])
def test_too_little_memory_is_told_apart_from_other_failures(runtime: str, threads: str) -> None:
    """The worker then tries smaller windows; an answer would be one of another window."""
    starved = subprocess.run(
        [sys.executable, "-m", "tests.models.starved_predictor", runtime, threads],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert starved.stdout.startswith("MemoryError"), starved.stdout + starved.stderr
