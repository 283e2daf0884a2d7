"""What was measured: rows with their aims, the machine and the versions, as they are kept."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from models.processor import read_processor

RECORD = Path(__file__).parent / "performance.json"
PACKAGES = (
    "oarlock",
    "numpy",
    "onnxruntime",
    "openvino",
    "torch",
    "monai",
    "rt-utils",
    "totalsegmentator",
)


@dataclass(frozen=True)
class Aim:
    """A limit, and the side of it that is wanted."""

    side: Literal["at most", "at least"]
    limit: float

    def is_met_by(self, value: float) -> bool:
        """Whether the value lies on the wanted side."""
        return value <= self.limit if self.side == "at most" else value >= self.limit


@dataclass(frozen=True)
class Row:
    """One line of the table: ours and a peer's figure from the same run, in `unit`.

    `ratio`: what the aim is about, ours by the peer's or, without a peer, ours; None where the
    figure has no aim. `note`: why an aim was missed, or what a reader must know.
    """

    group: str
    what: str
    unit: str
    ours: float
    peer: str = ""
    theirs: float | None = None
    aim: Aim | None = None
    note: str = ""

    @property
    def ratio(self) -> float:
        """Ours by the peer's; ours, where there is none."""
        return self.ours if self.theirs is None else self.ours / self.theirs

    @property
    def is_met(self) -> bool | None:
        """None where there is no aim."""
        return None if self.aim is None else self.aim.is_met_by(self.ratio)


@dataclass(frozen=True)
class Guard:
    """Mean Dice on drawn cases per structure, of a model run plainly and as it is released."""

    data: str
    cases: int
    plain: dict[str, float]
    released: dict[str, float]

    @property
    def mean_fall(self) -> float:
        """Of the mean over all structures."""
        return sum(self.falls.values()) / len(self.falls)

    @property
    def falls(self) -> dict[str, float]:
        """By how much each structure lost."""
        return {name: self.plain[name] - self.released[name] for name in self.plain}


@dataclass(frozen=True)
class Measured:
    """Rows of one run of a benchmark."""

    day: date
    processor: str
    cores: int
    abilities: tuple[str, ...]
    system: str
    versions: dict[str, str]
    rows: tuple[Row, ...]
    guard: Guard | None = None


def show_number(value: float) -> str:
    """Three digits, and no power of ten."""
    return f"{value:,.0f}" if value >= 999.5 else f"{value:.3g}"


_FILE = TypeAdapter(dict[str, Measured])


def describe_here(rows: Sequence[Row], day: date, guard: Guard | None = None) -> Measured:
    """The rows with this machine and what is installed on it."""
    processor = read_processor()
    return Measured(
        day=day,
        processor=processor.name,
        cores=os.cpu_count() or 1,
        abilities=processor.abilities,
        system=f"{platform.system()} {platform.release().split('-')[0]}, Python "
        f"{platform.python_version()}",
        versions=_versions(),
        rows=tuple(rows),
        guard=guard,
    )


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def read_record(path: Path = RECORD) -> dict[str, Measured]:
    """What was measured last, by the benchmark's name."""
    return _FILE.validate_json(path.read_bytes()) if path.is_file() else {}


def keep(name: str, measured: Measured, path: Path = RECORD) -> None:
    """Put one benchmark's figures in the place of its last ones."""
    record = {**read_record(path), name: measured}
    path.write_bytes(_FILE.dump_json(record, indent=1) + b"\n")
