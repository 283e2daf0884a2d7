"""TensorRT engines, built from a bundle's ONNX files and kept.

An engine runs on the GPU, driver and TensorRT that built it and on no other, so all of them are in
its name, with the artifact's checksum, its precision and the shapes it was built for. Precision is
in the graph's types (TensorRT 11 knows no other way): a network is always strongly typed.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

INPUT = "image"
QUERY = ("nvidia-smi", "--query-gpu=name,compute_cap,driver_version", "--format=csv,noheader")
QUERY_SECONDS = 20
WORKSPACE_BYTES = 4 << 30


class TensorRtMissingError(RuntimeError):
    """TensorRT cannot be used here: says what is missing and how to get it."""


class EngineBuildError(RuntimeError):
    """TensorRT refused a graph, in its own words."""


@dataclass(frozen=True)
class Platform:
    """What an engine is bound to."""

    gpu: str
    compute_capability: str
    driver: str
    tensorrt: str


@dataclass(frozen=True)
class EnginePlan:
    """What is built: batches of 1 to `largest_batch` windows of `window_zyx` voxels."""

    window_zyx: tuple[int, int, int]
    precision: str = "float32"
    largest_batch: int = 4


Build = Callable[[bytes, EnginePlan], bytes]


def find_platform() -> Platform:
    """Raises `TensorRtMissingError` without an NVIDIA GPU, its driver, or TensorRT's package."""
    gpu, compute_capability, driver = _find_gpu()
    return Platform(gpu, compute_capability, driver, str(import_tensorrt().__version__))


def import_tensorrt() -> Any:
    """The package; raises `TensorRtMissingError` where it or its library cannot be loaded."""
    try:
        import tensorrt
    except (ImportError, OSError) as error:
        raise TensorRtMissingError(
            f"TensorRT cannot be loaded ({error}): run `pip install oarlock[gpu,tensorrt]`."
        ) from error
    return tensorrt


def _find_gpu() -> tuple[str, str, str]:
    """Name, compute capability and driver of the first GPU."""
    try:
        answer = subprocess.run(
            QUERY, capture_output=True, text=True, timeout=QUERY_SECONDS, check=True
        )
    except FileNotFoundError:
        raise TensorRtMissingError(
            "TensorRT needs an NVIDIA GPU with its driver: there is no nvidia-smi here."
        ) from None
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise TensorRtMissingError(
            f"TensorRT needs an NVIDIA GPU with its driver: nvidia-smi failed ({error})."
        ) from error
    fields = [field.strip() for field in answer.stdout.partition("\n")[0].split(",")]
    if len(fields) != 3:
        raise TensorRtMissingError("TensorRT needs an NVIDIA GPU: nvidia-smi names none.")
    return fields[0], fields[1], fields[2]


class EngineCache:
    """Engines in a folder, each beside a JSON file that says what it was built from and for."""

    def __init__(self, folder: Path, platform: Platform, build: Build | None = None) -> None:
        self._folder, self._platform = folder, platform
        self._build: Build = build or build_engine

    def provide(self, artifact: Path, plan: EnginePlan) -> Path:
        """The engine of an ONNX file; built, in minutes, where none fits."""
        content = artifact.read_bytes()
        facts = {
            "artifact": artifact.name,
            "sha256": hashlib.sha256(content).hexdigest(),
            **asdict(self._platform),
            **asdict(plan),
        }
        path = self._folder / f"{artifact.stem}-{_key(facts)}.engine"
        if not path.is_file():
            engine = self._build(content, plan)
            self._folder.mkdir(parents=True, exist_ok=True)
            _write(path.with_suffix(".json"), json.dumps(facts, indent=1).encode())
            _write(path, engine)
        return path


def _key(facts: dict[str, Any]) -> str:
    decisive = {name: value for name, value in facts.items() if name != "artifact"}
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]


def _write(path: Path, content: bytes) -> None:
    """Whole or not there, also when two processes build at once."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_bytes(content)
    os.replace(part, path)


def build_engine(content: bytes, plan: EnginePlan) -> bytes:
    """A serialised engine of an ONNX file; raises `EngineBuildError`."""
    tensorrt = import_tensorrt()
    logger = tensorrt.Logger(tensorrt.Logger.ERROR)
    builder = tensorrt.Builder(logger)
    network = builder.create_network(_strong_typing(tensorrt))
    parser = tensorrt.OnnxParser(network, logger)
    if not parser.parse(content):
        faults = "; ".join(str(parser.get_error(k)) for k in range(parser.num_errors))
        raise EngineBuildError(f"TensorRT cannot read the graph: {faults}")
    config = builder.create_builder_config()
    config.set_memory_pool_limit(tensorrt.MemoryPoolType.WORKSPACE, WORKSPACE_BYTES)
    profile = builder.create_optimization_profile()
    image = (1, *plan.window_zyx)
    largest = (plan.largest_batch, *image)
    profile.set_shape(INPUT, (1, *image), largest, largest)
    config.add_optimization_profile(profile)
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise EngineBuildError("TensorRT could not build an engine; its log says why.")
    return bytes(engine)


def _strong_typing(tensorrt: Any) -> int:
    """The flag of TensorRT 10; from 11 on every network is strongly typed, flag or not."""
    flag = getattr(tensorrt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    return 0 if flag is None else 1 << int(flag)
