"""What a run's figures depend on: the data, the machine, the versions and the time it took."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from models.processor import read_processor
from models.training.dataset import Dataset
from models.training.recipe_file import Recipe
from models.training.runs import FACTS

PACKAGES = ("oarlock", "torch", "monai", "numpy")


@dataclass(frozen=True)
class RunFacts:
    """`seconds`: of training, preparation and pauses left out; `patches`: seen so far."""

    recipe: str
    steps: int
    patches: int
    batch: int
    seconds: float
    precision: str
    device: str
    machine: str
    threads: int
    versions: dict[str, str]
    cases: int
    case_names: tuple[str, ...]
    started_at: str

    @classmethod
    def of(
        cls, recipe: Recipe, dataset: Dataset, cases: Sequence[str], device: torch.device
    ) -> RunFacts:
        """The facts of a run that is about to start."""
        return cls(
            recipe=recipe.name,
            steps=0,
            patches=0,
            batch=recipe.batch,
            seconds=0.0,
            precision=recipe.precision,
            device=_device_name(device),
            machine=f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
            threads=torch.get_num_threads(),
            versions={"python": platform.python_version()} | _versions(),
            cases=len(cases),
            case_names=tuple(cases),
            started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def after(self, steps: int, seconds: float) -> RunFacts:
        """The facts after so many steps."""
        return replace(self, steps=steps, patches=steps * self.batch, seconds=round(seconds, 1))


def write_facts(facts: RunFacts, run: Path) -> None:
    """Into the run's folder; an earlier start of the same run stays its start."""
    path = run / FACTS
    if path.is_file():
        facts = replace(facts, started_at=json.loads(path.read_text())["started_at"])
    path.write_text(json.dumps(asdict(facts), indent=1) + "\n", encoding="utf-8")


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return read_processor().name


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue  # run from a checkout that was not installed
    return found
