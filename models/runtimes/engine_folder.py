"""Engines on the disk: each with a record of what it was built from and for.

An engine runs on the GPU, driver and version that built it and on no other, so these are in its
name with the artifact's checksum and the windows it takes. The record is written last: without one
there is no engine, whatever else lies there.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contouring.errors import EngineMissingError
from models.card import StageCard
from models.runtime_names import RuntimeName
from models.runtimes.engine_plans import EnginePlan, Sides
from models.runtimes.gpu_platform import Platform

RECORD = ".json"
ENGINE = ".engine"
RECORD_NAMES = re.compile(r".+-[0-9a-f]{16}\.json")  # `EngineIdentity.stem`, of every age


FileName = Annotated[str, Field(pattern=r"^[^/\\\x00]+$")]  # beside the record, and nowhere else


@dataclass(frozen=True)
class EngineIdentity:
    """What an engine is of and for; two that are equal are the same engine.

    `artifact`: the ONNX file's name, for people alone; `sha256`: of its content.
    """

    runtime: str
    artifact: str
    sha256: str
    platform: Platform
    plan: EnginePlan

    @property
    def stem(self) -> str:
        """The name of its files, up to what the runtime adds."""
        decisive = asdict(self)
        del decisive["artifact"]
        digest = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()
        return f"{Path(self.artifact).stem}-{digest[:16]}"


def identify(runtime: str, stage: StageCard, precision: str, platform: Platform) -> EngineIdentity:
    """The engine that runs a network on this platform, built or not."""
    plan = EnginePlan.of(stage, precision)
    return EngineIdentity(runtime, stage.artifact, stage.sha256, platform, plan)


class EngineRecord(BaseModel):
    """What stands beside an engine; `files`: the sha256 of each of its files by name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    runtime: str
    model: str
    artifact: str
    sha256: str
    gpu: str
    compute_capability: str
    driver: str
    library: str
    precision: str
    least_zyx: Sides
    largest_zyx: Sides
    largest_batch: int
    built_at: datetime
    files: dict[FileName, str]

    @property
    def platform(self) -> Platform:
        """What it is bound to."""
        return Platform(self.gpu, self.compute_capability, self.driver, self.library)


@dataclass(frozen=True)
class KeptEngine:
    """An engine of the folder; `record`: None where it cannot be read, and what is its, unknown."""

    path: Path  # of the record
    record: EngineRecord | None
    files: tuple[Path, ...] = ()

    @property
    def size_bytes(self) -> int:
        """Of all its files that are there."""
        return sum(file.stat().st_size for file in self.files if file.is_file())

    def remove(self) -> None:
        """The record first, so that nobody finds an engine without its files."""
        for file in (self.path, *self.files):
            file.unlink(missing_ok=True)


class EngineFolder:
    """The engines of one site; each runtime has a folder of its own in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def folder_of(self, runtime: str) -> Path:
        """Where a runtime's engines lie; it need not exist."""
        return self._folder / runtime

    def find(self, identity: EngineIdentity) -> tuple[Path, ...]:
        """Its files, whole and unchanged since it was built; none if there is no such engine."""
        folder = self.folder_of(identity.runtime)
        record = _read(folder / (identity.stem + RECORD))
        if record is None or not all(
            _digest(folder / name) == sha256 for name, sha256 in record.files.items()
        ):
            return ()
        return tuple(folder / name for name in sorted(record.files))

    def forget(self, identity: EngineIdentity) -> None:
        """Remove its files, and what a build that broke off has left of them."""
        for file in self.folder_of(identity.runtime).glob(f"{identity.stem}*"):
            file.unlink(missing_ok=True)

    def keep(
        self, identity: EngineIdentity, model: str, built_at: datetime, files: Mapping[str, bytes]
    ) -> tuple[Path, ...]:
        """Write files, and the record that makes an engine of them; answers with their paths."""
        folder = self.folder_of(identity.runtime)
        for name, content in files.items():
            write_whole(folder / name, content)
        return self.record(identity, model, built_at, [folder / name for name in files])

    def record(
        self, identity: EngineIdentity, model: str, built_at: datetime, files: Iterable[Path]
    ) -> tuple[Path, ...]:
        """Make an engine of files that its runtime has written into its folder."""
        paths = tuple(sorted(files))
        platform, plan = identity.platform, identity.plan
        record = EngineRecord(
            runtime=identity.runtime,
            model=model,
            artifact=identity.artifact,
            sha256=identity.sha256,
            **asdict(platform),
            **asdict(plan),
            built_at=built_at,
            files={path.name: _digest(path) for path in paths},
        )
        place = self.folder_of(identity.runtime) / (identity.stem + RECORD)
        write_whole(place, record.model_dump_json(indent=1).encode())
        return paths

    def list_all(self) -> tuple[KeptEngine, ...]:
        """Every engine, whatever it was built for; nothing else that lies in the folder."""
        records = (
            path
            for runtime in sorted(RuntimeName)
            if runtime.runs_engines
            for path in sorted(self.folder_of(runtime).glob(f"*{RECORD}"))
            if RECORD_NAMES.fullmatch(path.name)
        )
        return tuple(_keep(path) for path in records)


def require_engine(engines: EngineFolder | None, identity: EngineIdentity) -> tuple[Path, ...]:
    """Its files; raises `EngineMissingError` where it is not built, or there is no folder."""
    files = () if engines is None else engines.find(identity)
    if not files:
        built_for = identity.platform
        raise EngineMissingError(
            identity.runtime,
            identity.artifact,
            f"no engine is built on {built_for.gpu}, driver {built_for.driver}, with "
            f"{built_for.library},",
        )
    return files


def _keep(path: Path) -> KeptEngine:
    record = _read(path)
    if record is None:
        return KeptEngine(path, None)
    return KeptEngine(path, record, tuple(path.parent / name for name in sorted(record.files)))


def _read(path: Path) -> EngineRecord | None:
    try:
        return EngineRecord.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def _digest(path: Path) -> str:
    """Empty where there is no such file."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that is whole or not there, also when two processes build at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_bytes(content)
    os.replace(part, path)
