"""TensorRT engines: when one is built, when one is found again, and what is said without a GPU."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from models.runtimes import tensorrt_engines
from models.runtimes.tensorrt_engines import (
    EngineCache,
    EnginePlan,
    Platform,
    TensorRtMissingError,
    find_platform,
)

PLATFORM = Platform("NVIDIA L4", "8.9", "580.65.06", "10.13.2.6")
PLAN = EnginePlan((32, 48, 64), "float16")
CHANGED_PLATFORMS = [
    replace(PLATFORM, gpu="NVIDIA A100"),
    replace(PLATFORM, compute_capability="9.0"),
    replace(PLATFORM, driver="581.0"),
    replace(PLATFORM, tensorrt="11.0.0.114"),
]
CHANGED_PLANS = [
    replace(PLAN, precision="float32"),
    replace(PLAN, window_zyx=(32, 48, 32)),
    replace(PLAN, largest_batch=1),
]


class Builder:
    """Builds an engine that says what it was built from, and remembers how often it did."""

    def __init__(self) -> None:
        self.built: list[tuple[bytes, EnginePlan]] = []

    def __call__(self, content: bytes, plan: EnginePlan) -> bytes:
        self.built.append((content, plan))
        return b"engine of " + content


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    """Stands for an ONNX file."""
    path = tmp_path / "segmenter.onnx"
    path.write_bytes(b"graph")
    return path


def test_an_engine_is_built_once(artifact: Path, tmp_path: Path) -> None:
    """Building takes minutes; another process finds what the first has built."""
    builder = Builder()

    first = EngineCache(tmp_path / "engines", PLATFORM, builder).provide(artifact, PLAN)
    again = EngineCache(tmp_path / "engines", PLATFORM, builder).provide(artifact, PLAN)

    assert builder.built == [(b"graph", PLAN)]
    assert first == again
    assert first.read_bytes() == b"engine of graph"


@pytest.mark.parametrize("platform", CHANGED_PLATFORMS, ids=str)
def test_another_platform_gets_an_engine_of_its_own(
    platform: Platform, artifact: Path, tmp_path: Path
) -> None:
    """An engine runs on the GPU, driver and TensorRT that built it, and on no other."""
    builder = Builder()

    paths = {
        EngineCache(tmp_path, p, builder).provide(artifact, PLAN) for p in (PLATFORM, platform)
    }

    assert len(paths) == len(builder.built) == 2


@pytest.mark.parametrize("plan", CHANGED_PLANS, ids=str)
def test_another_plan_gets_an_engine_of_its_own(
    plan: EnginePlan, artifact: Path, tmp_path: Path
) -> None:
    """An engine takes the shapes it was built for."""
    cache = EngineCache(tmp_path, PLATFORM, Builder())

    assert cache.provide(artifact, plan) != cache.provide(artifact, PLAN)


def test_a_changed_artifact_gets_an_engine_of_its_own(artifact: Path, tmp_path: Path) -> None:
    """New weights under an old name must never run as the old ones."""
    cache = EngineCache(tmp_path, PLATFORM, Builder())
    before = cache.provide(artifact, PLAN)

    artifact.write_bytes(b"another graph")
    after = cache.provide(artifact, PLAN)

    assert after.read_bytes() == b"engine of another graph"
    assert before != after


def test_beside_an_engine_stands_what_it_was_built_from(artifact: Path, tmp_path: Path) -> None:
    """Names are digests; whoever clears the folder must be able to tell them apart."""
    path = EngineCache(tmp_path, PLATFORM, Builder()).provide(artifact, PLAN)

    facts = json.loads(path.with_suffix(".json").read_text())
    assert (facts["artifact"], facts["gpu"], facts["driver"]) == (
        "segmenter.onnx",
        "NVIDIA L4",
        "580.65.06",
    )
    assert facts["window_zyx"] == [32, 48, 64]
    assert len(facts["sha256"]) == 64


def _answering(text: str) -> Callable[..., SimpleNamespace]:
    return lambda *_, **__: SimpleNamespace(stdout=text)


def test_the_first_gpu_is_what_engines_are_built_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """nvidia-smi names it, with what an engine depends on."""
    told = "NVIDIA L4, 8.9, 580.65.06\nNVIDIA L40S, 8.9, 580.65.06\n"
    monkeypatch.setattr(tensorrt_engines.subprocess, "run", _answering(told))
    monkeypatch.setattr(
        tensorrt_engines, "import_tensorrt", lambda: SimpleNamespace(__version__="10.13.2.6")
    )

    assert find_platform() == PLATFORM


def test_without_a_driver_it_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A machine without a GPU gets a sentence, not a crash."""
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(TensorRtMissingError, match="there is no nvidia-smi here"):
        find_platform()


@pytest.mark.parametrize("content", ["", "exit 9", "echo 'No devices were found'"])
def test_a_driver_without_a_gpu_is_told_too(
    content: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The driver's tools may be there and see nothing."""
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{content}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(TensorRtMissingError, match="TensorRT needs an NVIDIA GPU"):
        find_platform()


def test_a_library_that_cannot_be_loaded_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The package installs without the library, which comes from the maker's own index."""
    (tmp_path / "tensorrt.py").write_text("raise ImportError('libnvinfer.so.10 is missing')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)

    with pytest.raises(TensorRtMissingError, match=r"libnvinfer.so.10 is missing.*gpu,tensorrt"):
        tensorrt_engines.import_tensorrt()
