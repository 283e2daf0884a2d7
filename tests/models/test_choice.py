"""Which runtime runs a network, and what is said where it is not the one that was hoped for."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from contouring.errors import RuntimeMissingError, UnusableRuntimeError
from models.bundles import RELEASED, Bundle, read_bundle
from models.cascades import open_cascade
from models.economy import Economy
from models.runtime_names import RuntimeName
from models.runtimes import choice
from models.runtimes.check_up import examine_runtimes
from models.runtimes.choice import RuntimePlan, open_network
from tests.models.bundle_files import write_bundle
from workers.predictors import Predictors


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """A small model."""
    return read_bundle(write_bundle(tmp_path / "plain"))


def without(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if it were not installed."""
    monkeypatch.setattr(
        choice, "find_spec", lambda name: None if name == package else find_spec(name)
    )


@pytest.mark.parametrize(
    ("runtime", "name"),
    [
        (RuntimeName.AUTO, "OpenVINO"),
        (RuntimeName.OPENVINO, "OpenVINO"),
        (RuntimeName.ONNX_CPU, "ONNX Runtime"),
    ],
)
def test_the_runtime_that_is_asked_for_runs(
    bundle: Bundle, runtime: RuntimeName, name: str
) -> None:
    """Without a GPU the best one is OpenVINO, and nothing needs to be said."""
    cascade = open_cascade(bundle, runtime=runtime)

    assert cascade.runtime.startswith(name)
    assert cascade.warnings == ()


def test_the_next_best_runs_where_the_best_is_not_installed(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A site that installed one alone knows."""
    without("openvino", monkeypatch)

    cascade = open_cascade(bundle)

    assert cascade.runtime.startswith("ONNX Runtime")
    assert cascade.warnings == ()


def test_a_gpu_that_cannot_be_used_is_told(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its build is installed, so somebody expects it: the job must not be slow in silence."""
    pretend_cuda(monkeypatch)

    (warning,) = open_cascade(bundle).warnings

    assert warning.name == "runtime-passed-over"
    assert warning.text.startswith("It ran on OpenVINO")
    assert "onnxruntime-cuda is installed but cannot be used" in warning.text


def test_a_runtime_whose_libraries_do_not_load_is_told(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package of another age, or a system library that is missing: another one can run."""
    monkeypatch.setitem(sys.modules, "models.runtimes.openvino_runtime", None)

    cascade = open_cascade(bundle)

    assert cascade.runtime.startswith("ONNX Runtime")
    (warning,) = cascade.warnings
    assert "openvino is installed but cannot be used" in warning.text
    (finding,) = [one for one in examine_runtimes() if one.name is RuntimeName.OPENVINO]
    assert finding.fault.startswith("cannot be used: ")


def test_a_worker_looks_again_for_what_it_had_to_do_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A GPU that was lost for a moment must not cost the jobs of a night."""
    checksum = read_bundle(RELEASED / "commissioning").checksum
    predictors = Predictors((), threads=1)
    with monkeypatch.context() as broken:
        broken.setitem(sys.modules, "models.runtimes.openvino_runtime", None)
        assert predictors.open("commissioning", checksum).warnings

    healthy = predictors.open("commissioning", checksum)

    assert healthy.runtime.startswith("OpenVINO")
    assert predictors.open("commissioning", checksum) is healthy


def test_a_job_that_spares_the_gpu_says_nothing_of_it(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It runs on the CPU on purpose, whatever the site asks for."""
    pretend_cuda(monkeypatch)

    cascade = open_cascade(bundle, economy=Economy(on_cpu=True), runtime=RuntimeName.ONNX_CUDA)

    assert cascade.runtime.startswith("OpenVINO")
    assert cascade.warnings == ()


def test_no_other_runs_in_place_of_one_that_is_asked_for(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever names one wants that or an error."""
    with pytest.raises(RuntimeMissingError, match=r"pip install 'oarlock\[gpu\]'"):
        open_cascade(bundle, runtime=RuntimeName.ONNX_CUDA)
    without("openvino", monkeypatch)
    with pytest.raises(RuntimeMissingError, match=r"pip install 'oarlock\[cpu\]'"):
        open_cascade(bundle, runtime=RuntimeName.OPENVINO)
    pretend_cuda(monkeypatch)
    with pytest.raises(UnusableRuntimeError, match="no NVIDIA GPU"):
        open_cascade(bundle, runtime=RuntimeName.ONNX_CUDA)


def test_without_any_runtime_it_is_said_what_to_install(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service has none; a worker needs one."""
    monkeypatch.setattr(choice, "find_spec", lambda _: None)

    with pytest.raises(RuntimeMissingError, match=r"pip install 'oarlock\[cpu\]'"):
        open_cascade(bundle)


@pytest.mark.parametrize("model", ["hn-oar", "commissioning"])
def test_the_released_networks_answer_alike_on_every_runtime(model: str) -> None:
    """In float32, by less than rounding could move a border: no voxel changes its structure.

    What bfloat16 changes is for the model's gate to judge, on patients.
    """
    bundle = read_bundle(RELEASED / model)
    stage, channels = bundle.card.segmenter, len(bundle.card.structures) + 1
    first, second = (
        open_network(bundle.folder, stage, channels, RuntimePlan(one, threads=1)).predictor
        for one in (RuntimeName.ONNX_CPU, RuntimeName.OPENVINO)
    )
    shape = tuple(min(side, 48) for side in stage.window)
    window = np.random.default_rng(7).uniform(-1, 1, (1, *shape)).astype(np.float32)

    ours, theirs = first.predict(window), second.predict(window)

    assert np.abs(ours - theirs).max() < 1e-3
    assert (ours.argmax(axis=1) != theirs.argmax(axis=1)).mean() < 1e-4


def pretend_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime's CUDA build on a machine without a GPU: it falls back without an error."""
    monkeypatch.setattr(
        onnxruntime,
        "get_available_providers",
        lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"],
    )
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None)


def test_openvino_tells_nobody_that_it_is_used(tmp_path: Path) -> None:
    """By itself it does, at each import: a hospital's network would see a patient's server call."""
    code = "import sys, models.runtimes.openvino_runtime; print(*sys.modules)"

    loaded = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()

    assert "openvino" in loaded
    assert not [name for name in loaded if name.startswith("openvino_telemetry.")]
    assert list(tmp_path.iterdir()) == []
    imports = re.compile(r"^\s*(import openvino|from openvino)", re.M)
    sources = [
        file for folder in ("models", "cli", "workers") for file in Path(folder).rglob("*.py")
    ]
    assert [file.name for file in sources if imports.search(file.read_text())] == [
        "silent_openvino.py"
    ]
