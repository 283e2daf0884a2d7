"""TensorRT's predictor, on a stand-in for the GPU: what is shown, what is answered, what is told.

The stand-in has TensorRT's and CUDA's calls (`gpu_stand_in/README.md`). That these do on a GPU what
is documented is not shown here.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from contouring.errors import (
    EngineBuildError,
    EngineMissingError,
    InferenceError,
    InvalidBundleError,
    UnusableRuntimeError,
)
from models.bundles import RELEASED, Bundle, read_bundle
from models.cascades import open_cascade
from models.economy import Economy
from models.runtime_names import RuntimeName
from models.runtimes.engine_builds import build_ordered, find_here, order_engines
from models.runtimes.engine_folder import EngineFolder
from tests.models import gpu
from tests.models.bundle_files import Card, build_graph, write_bundle
from tests.models.test_runtimes import with_another_output, with_second_input
from workers.predictors import Predictors

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TENSORRT = RuntimeName.TENSORRT


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One with a GPU, as far as anybody can see."""
    gpu.put_in_gpu(monkeypatch)
    yield
    gpu.forget()


@pytest.fixture
def engines(tmp_path: Path) -> Path:
    """The folder of a site's engines."""
    return tmp_path / "engines"


def build(bundle: Bundle, engines: Path) -> list[Path]:
    """As `oarlock engines build` does."""
    return [
        path
        for order in order_engines(bundle, TENSORRT, find_here(TENSORRT))
        for path in build_ordered(order, EngineFolder(engines), NOW)
    ]


def open_built(bundle: Bundle, engines: Path) -> Any:
    """The segmenter's predictor, of an engine that is built for it."""
    build(bundle, engines)
    cascade = open_cascade(bundle, runtime=TENSORRT, engines=engines)
    assert cascade.warnings == ()
    return cascade.segmenter.predictor


def write(folder: Path, graph: onnx.ModelProto, spoil: Any = lambda _: None) -> Bundle:
    """A bundle of one graph."""
    return read_bundle(write_bundle(folder / "plain", graph, spoil))


def as_slices(card: Card) -> None:
    """A network of two dimensions."""
    card["segmenter"]["window"] = [1, 16, 16]


def test_without_an_engine_nothing_is_built_and_it_is_said_what_to_do(
    tmp_path: Path, engines: Path
) -> None:
    """A build takes minutes: never in a patient's job."""
    bundle = write(tmp_path, build_graph())

    with pytest.raises(
        EngineMissingError, match=r"no engine is built on NVIDIA L4.*net\.onnx.*engines build"
    ):
        open_cascade(bundle, runtime=TENSORRT, engines=engines)
    assert not engines.exists()


def test_auto_runs_on_the_next_best_and_says_why(tmp_path: Path, engines: Path) -> None:
    """The worker keeps it open: nobody builds an engine between two jobs."""
    cascade = open_cascade(write(tmp_path, build_graph()), engines=engines)

    assert cascade.runtime.startswith("OpenVINO")
    (warning,) = cascade.warnings
    assert warning.name == "engines-not-built"
    assert "oarlock engines build --runtime tensorrt" in warning.text


def test_a_worker_keeps_a_model_open_that_has_no_engine(engines: Path) -> None:
    """Each of its jobs would pay for opening it, and none would find an engine."""
    checksum = read_bundle(RELEASED / "commissioning").checksum
    predictors = Predictors((), threads=1, engines=engines)

    first = predictors.open("commissioning", checksum)

    assert [one.name for one in first.warnings] == ["engines-not-built"]
    assert predictors.open("commissioning", checksum) is first


def test_auto_takes_the_engine_that_is_built(tmp_path: Path, engines: Path) -> None:
    """And has nothing to say."""
    bundle = write(tmp_path, build_graph())
    build(bundle, engines)

    cascade = open_cascade(bundle, engines=engines)

    assert cascade.runtime == "TensorRT 10.16.1.11 (NVIDIA L4)"
    assert cascade.warnings == ()


def test_a_new_driver_needs_new_engines(
    tmp_path: Path, engines: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old ones would not load, or run wrong."""
    bundle = write(tmp_path, build_graph())
    build(bundle, engines)
    monkeypatch.setenv("STAND_IN_GPU", "NVIDIA L4, 8.9, 590.1")

    with pytest.raises(EngineMissingError, match=r"driver 590\.1"):
        open_cascade(bundle, runtime=TENSORRT, engines=engines)


@pytest.mark.parametrize("model", ["commissioning", "hn-oar"])
def test_a_released_model_answers_as_on_the_cpu(model: str, engines: Path) -> None:
    """Windows of every size that a job may show, one after the other in the same memory."""
    bundle = read_bundle(RELEASED / model)
    predictor = open_built(bundle, engines)
    cpu = open_cascade(bundle, threads=1, runtime=RuntimeName.ONNX_CPU).segmenter.predictor
    shapes = [(16, 32, 48), (16, 16, 16), (16, 48, 32), (16, 32, 48)]
    windows = [
        np.random.default_rng(k).uniform(-1, 1, (1, *shape)).astype(np.float32)
        for k, shape in enumerate(shapes)
    ]

    answers = [predictor.predict(one) for one in windows]

    for window, answer in zip(windows, answers, strict=True):
        assert np.abs(answer - cpu.predict(window)).max() < 1e-4


def test_slices_go_together_and_more_of_them_one_lot_after_the_other(
    tmp_path: Path, engines: Path
) -> None:
    """As many at once as the engine was built for."""
    bundle = write(tmp_path, build_graph(batch="n"), as_slices)
    windows = np.random.default_rng(1).normal(size=(19, 1, 16, 16)).astype(np.float32)

    logits = open_built(bundle, engines).predict(windows)

    assert np.array_equal(logits, np.stack([0 * windows, windows], axis=1))


def test_one_predictor_serves_several_threads(tmp_path: Path, engines: Path) -> None:
    """Each gets its own answer out of memory that they share."""
    predictor = open_built(write(tmp_path, build_graph()), engines)
    windows = [np.full((1, 8, 8, 8), k, np.float32) for k in range(20)]

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(predictor.predict, windows))

    assert [float(answer[0, 1].mean()) for answer in answers] == list(range(20))


def test_a_window_that_the_engine_was_not_built_for_is_refused(
    tmp_path: Path, engines: Path
) -> None:
    """By its size, and in TensorRT's words."""
    predictor = open_built(write(tmp_path, build_graph()), engines)

    with pytest.raises(InferenceError, match=r"window of \(16, 16, 16\).*not in the profile"):
        predictor.predict(np.ones((1, 16, 16, 16), np.float32))


def test_only_the_output_of_the_card_is_computed(tmp_path: Path, engines: Path) -> None:
    """Those of deep supervision cost memory and time."""
    windows = np.ones((1, 8, 16, 16), np.float32)

    logits = open_built(write(tmp_path, with_another_output()), engines).predict(windows)

    assert np.array_equal(logits, np.stack([0 * windows, windows], axis=1))


@pytest.mark.parametrize(
    ("graph", "reason"),
    [
        (build_graph(3), r"'logits' .* asks for float32 \[1, 2, 8, 16, 16\]"),
        (build_graph(2, element=TensorProto.DOUBLE), "'image' is "),
    ],
    ids=["channels", "type"],
)
def test_an_engine_that_does_not_fit_the_card_is_refused(
    tmp_path: Path, engines: Path, graph: onnx.ModelProto, reason: str
) -> None:
    """As any graph is."""
    bundle = write(tmp_path, graph)
    build(bundle, engines)

    with pytest.raises(InvalidBundleError, match=reason):
        open_cascade(bundle, runtime=TENSORRT, engines=engines)


@pytest.mark.parametrize(
    ("graph", "reason"),
    [
        (build_graph(2, (16, 16, 8)), None),
        (with_second_input(), "no profile"),
    ],
    ids=["fixed size", "second input"],
)
def test_a_graph_that_no_engine_can_be_made_of_is_told(
    tmp_path: Path, engines: Path, graph: onnx.ModelProto, reason: str | None
) -> None:
    """When it is built, or else when it is opened: never in a job."""
    bundle = write(tmp_path, graph)

    with pytest.raises((EngineBuildError, InvalidBundleError), match=reason):
        open_built(bundle, engines)


def test_a_file_without_a_graph_is_refused_in_tensorrts_words(
    tmp_path: Path, engines: Path
) -> None:
    """It reads the file by itself."""
    bundle = write(tmp_path, onnx.ModelProto(ir_version=8))

    with pytest.raises(EngineBuildError, match=r"net\.onnx: In node -1"):
        build(bundle, engines)


def test_a_file_that_was_changed_is_never_shown_to_tensorrt(tmp_path: Path, engines: Path) -> None:
    """An engine of it would be kept."""
    bundle = write(tmp_path, build_graph())
    (bundle.folder / "net.onnx").write_bytes(b"rubbish")

    with pytest.raises(InvalidBundleError, match=r"net\.onnx has the sha256"):
        build(bundle, engines)


def test_float32_is_strongly_typed_and_never_tf32(tmp_path: Path, engines: Path) -> None:
    """TensorRT would round float32 to ten bits by itself."""
    (path,) = build(write(tmp_path, build_graph()), engines)

    assert b'"strongly_typed": true, "tf32": false' in path.read_bytes()


def test_too_little_memory_is_told_as_such(
    tmp_path: Path, engines: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker then does with less, and in the end without the GPU."""
    bundle = write(tmp_path, build_graph())
    build(bundle, engines)
    monkeypatch.setattr(import_module("cuda.bindings.runtime"), "MEMORY_BYTES", 1000)

    with pytest.raises(MemoryError, match="CUDA: out of memory"):
        open_cascade(bundle, runtime=TENSORRT, engines=engines)
    spared = open_cascade(bundle, None, Economy(on_cpu=True), TENSORRT, engines)
    assert spared.runtime.startswith("OpenVINO")


def test_a_predictor_that_is_gone_gives_its_memory_back(tmp_path: Path, engines: Path) -> None:
    """The next attempt of a job must find it."""
    predictor = open_built(write(tmp_path, build_graph()), engines)
    cuda = import_module("cuda.bindings.runtime")
    voxels = 8 * 16 * 16
    assert cuda.count_reserved() == 4 * (voxels + 2 * voxels)

    del predictor

    assert cuda.count_reserved() == 0


def test_work_that_fails_on_the_gpu_is_told(tmp_path: Path, engines: Path) -> None:
    """With what TensorRT said."""
    predictor = open_built(write(tmp_path, build_graph()), engines)
    cuda = import_module("cuda.bindings.runtime")
    for address in [*cuda._memory]:
        cuda._memory[address] = cuda.ctypes.create_string_buffer(8)

    with pytest.raises(InferenceError, match="CUDA: invalid argument"):
        predictor.predict(np.ones((1, 8, 16, 16), np.float32))


def test_an_engine_that_tensorrt_does_not_take_is_to_be_built_again(
    tmp_path: Path, engines: Path
) -> None:
    """Its record fits, and yet."""
    bundle = write(tmp_path, build_graph())
    order = order_engines(bundle, TENSORRT, find_here(TENSORRT))[0]
    name = f"{order.identity.stem}.engine"
    EngineFolder(engines).keep(order.identity, "plain", NOW, {name: b"of another age"})

    with pytest.raises(UnusableRuntimeError, match=r"not compatible.*build --again"):
        open_cascade(bundle, runtime=TENSORRT, engines=engines)


def test_what_was_learned_of_a_gpu_shortens_the_next_build(tmp_path: Path, engines: Path) -> None:
    """Timings are kept beside the engines."""
    bundle = write(tmp_path, build_graph())

    build(bundle, engines)
    build(bundle, engines)

    assert (engines / "tensorrt" / "timings.cache").read_bytes() == b".."


def test_a_library_that_cannot_be_loaded_is_told(
    tmp_path: Path, engines: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package may be there without the library that it needs."""
    gpu.forget()
    (tmp_path / "tensorrt.py").write_text("raise ImportError('libnvinfer.so.10 is missing')")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(UnusableRuntimeError, match=r"libnvinfer\.so\.10 is missing"):
        open_cascade(write(tmp_path, build_graph()), runtime=TENSORRT, engines=engines)
