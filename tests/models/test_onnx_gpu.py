"""ONNX Runtime on a GPU: memory that stays there, engines that are never built in a job.

Binding is tried on the CPU's memory, by the lines that a GPU runs; sessions on a GPU are stood in
for (`gpu_sessions.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from contouring.errors import (
    EngineMissingError,
    InferenceError,
    InvalidBundleError,
    UnusableRuntimeError,
)
from models.bundles import RELEASED, Bundle, read_bundle
from models.cascades import open_cascade
from models.runtime_names import RuntimeName
from models.runtimes import onnx_providers
from models.runtimes.bound_session import SHAPES_KEPT, BoundSession
from models.runtimes.engine_builds import build_ordered, find_here, order_engines
from models.runtimes.engine_folder import EngineFolder
from models.runtimes.onnx_providers import find_heavy_on_cpu
from tests.models import gpu, gpu_sessions
from tests.models.bundle_files import build_graph, write_bundle
from tests.models.gpu_sessions import GpuSession

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ONNX_TENSORRT = RuntimeName.ONNX_TENSORRT
CPU = "CPUExecutionProvider"


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """A small model."""
    return read_bundle(write_bundle(tmp_path / "plain"))


@pytest.fixture
def engines(tmp_path: Path) -> Path:
    """The folder of a site's engines."""
    return tmp_path / "engines"


@pytest.fixture
def _machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One with a GPU."""
    gpu.put_in_gpu(monkeypatch)
    gpu_sessions.put_in(monkeypatch)
    monkeypatch.delenv("NVIDIA_TF32_OVERRIDE", raising=False)
    yield
    gpu.forget()


def build(bundle: Bundle, engines: Path) -> list[Path]:
    """As `oarlock engines build` does."""
    return [
        path
        for order in order_engines(bundle, ONNX_TENSORRT, find_here(ONNX_TENSORRT))
        for path in build_ordered(order, EngineFolder(engines), NOW)
    ]


def test_a_bound_session_answers_as_an_unbound_one() -> None:
    """Whatever the sizes and whatever came before: memory of one is never read as another's."""
    content = (RELEASED / "hn-oar" / "segmenter.onnx").read_bytes()
    session = onnxruntime.InferenceSession(content, providers=[CPU])
    bound = BoundSession(session, "image", "logits", "cpu")
    shapes = [(16, 32, 16), (32, 16, 16), (16, 32, 16), (16, 16, 32), (32, 16, 16)]
    assert len(set(shapes)) > SHAPES_KEPT
    images = [
        np.random.default_rng(k).uniform(-1, 1, (1, 1, *shape)).astype(np.float32)
        for k, shape in enumerate(shapes)
    ]

    answers = [bound.run(image) for image in images]

    for image, answer in zip(images, answers, strict=True):
        (expected,) = session.run(["logits"], {"image": image})
        assert np.array_equal(answer, expected)


def test_what_runs_on_the_cpu_in_place_of_the_gpu_is_found() -> None:
    """A runtime without a kernel for an operator would take ten times as long in silence."""
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    content = (RELEASED / "hn-oar" / "segmenter.onnx").read_bytes()

    session = onnxruntime.InferenceSession(content, options, providers=[CPU])

    assert find_heavy_on_cpu(session) == ("Conv", "ConvTranspose")


@pytest.mark.usefixtures("_machine")
def test_a_session_on_a_gpu_never_goes_on_without_it(bundle: Bundle) -> None:
    """ONNX Runtime would print a line and take the CPU, even in the middle of a job."""
    cascade = open_cascade(bundle, runtime=RuntimeName.ONNX_CUDA)

    (asked,) = GpuSession.asked
    assert asked["enable_fallback"] == 0
    (cuda, told), _ = asked["providers"]
    assert (cuda, told["use_tf32"]) == ("CUDAExecutionProvider", "0")
    assert cascade.runtime.endswith("(CUDAExecutionProvider)")


def test_libraries_that_cuda_lacks_are_named(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are printed where nobody looks; whoever set the machine up needs to know."""
    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider", CPU]
    )
    printed = "Failed to load libcublas.so.13: libcublas.so.13: cannot open shared object file"
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: print(printed))  # noqa: T201

    with pytest.raises(UnusableRuntimeError, match=r"not libcublas\.so\.13\."):
        open_cascade(bundle, runtime=RuntimeName.ONNX_CUDA)


@pytest.mark.usefixtures("_machine")
def test_a_job_never_builds_what_is_not_built(bundle: Bundle, engines: Path) -> None:
    """TensorRT within ONNX Runtime would, for minutes, as its session opens."""
    with pytest.raises(EngineMissingError, match=r"engines build --runtime onnx-tensorrt"):
        open_cascade(bundle, runtime=ONNX_TENSORRT, engines=engines)

    assert GpuSession.built == []


@pytest.mark.usefixtures("_machine")
def test_a_job_runs_the_engines_that_are_built(bundle: Bundle, engines: Path) -> None:
    """Found again by their name, which holds all that they depend on."""
    build(bundle, engines)
    assert len(GpuSession.built) == 1
    window = np.ones((1, 8, 16, 16), np.float32)

    cascade = open_cascade(bundle, runtime=ONNX_TENSORRT, engines=engines)
    logits = cascade.segmenter.predictor.predict(window)

    assert len(GpuSession.built) == 1
    assert cascade.runtime.endswith("(TensorrtExecutionProvider)")
    assert np.array_equal(logits, np.stack([0 * window, window], axis=1))


@pytest.mark.usefixtures("_machine")
def test_engines_are_built_for_every_window_of_the_card(bundle: Bundle, engines: Path) -> None:
    """One profile: from the smallest that a scan is filled up to, to the largest."""
    _, profile = build(bundle, engines)

    assert profile.read_text() == "image:1x1x8x16x16"
    told = GpuSession.asked[-1]["providers"][0][1]
    assert told["trt_profile_min_shapes"] == "image:1x1x8x8x8"
    assert [name for name, _ in GpuSession.asked[-1]["providers"]] == [
        onnx_providers.TENSORRT,
        onnx_providers.CUDA,
    ]


@pytest.mark.usefixtures("_machine")
def test_a_window_that_no_engine_was_built_for_is_refused(bundle: Bundle, engines: Path) -> None:
    """ONNX Runtime would build another one for it, in the middle of the job."""
    build(bundle, engines)
    cascade = open_cascade(bundle, runtime=ONNX_TENSORRT, engines=engines)

    with pytest.raises(InferenceError, match=r"window of \(16, 16, 16\)"):
        cascade.segmenter.predictor.predict(np.ones((1, 16, 16, 16), np.float32))


@pytest.mark.usefixtures("_machine")
def test_an_engine_that_was_lost_is_missing(bundle: Bundle, engines: Path) -> None:
    """The record alone is not enough: it would be built in the job."""
    engine, _ = build(bundle, engines)
    engine.unlink()

    with pytest.raises(EngineMissingError):
        open_cascade(bundle, runtime=ONNX_TENSORRT, engines=engines)


@pytest.mark.usefixtures("_machine")
def test_what_a_broken_build_left_is_built_anew(bundle: Bundle, engines: Path) -> None:
    """ONNX Runtime would load it, and nobody knows whether it is whole."""
    engine, _ = build(bundle, engines)
    engine.write_bytes(b"half")

    build(bundle, engines)

    assert engine.read_bytes() == b"engine"


@pytest.mark.usefixtures("_machine")
def test_engines_of_one_runtime_are_no_lack_of_the_other(bundle: Bundle, engines: Path) -> None:
    """A site builds them for the one that it uses; `auto` takes that."""
    build(bundle, engines)

    cascade = open_cascade(bundle, engines=engines)

    assert cascade.runtime.endswith("(TensorrtExecutionProvider)")
    assert cascade.warnings == ()


@pytest.mark.usefixtures("_machine")
def test_a_graph_that_is_wrong_is_told_as_such(tmp_path: Path) -> None:
    """Not as a GPU that does not work."""
    folder = write_bundle(tmp_path / "wrong", build_graph(3))

    with pytest.raises(InvalidBundleError, match="asks for float32"):
        open_cascade(read_bundle(folder), runtime=RuntimeName.ONNX_CUDA)
