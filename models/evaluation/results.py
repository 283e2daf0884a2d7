"""What an evaluation found: frozen, and the same again after a way through its JSON file.

`evaluation.json` is what tables are built from; every other file of an evaluation can be drawn
anew from it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from contouring.errors import UnusableInputError

EVALUATION_FILE = "evaluation.json"


@dataclass(frozen=True)
class Score:
    """One structure of one case, as `models.evaluation.measures` defines it.

    `is_found`: whether anything was contoured; if not, every Dice is 0 and every distance counts as
    the scan's diagonal.
    """

    dice: float
    hausdorff_mm: float
    hausdorff_95_mm: float
    mean_surface_distance_mm: float
    surface_dice_1mm: float
    surface_dice_2mm: float
    is_found: bool


@dataclass(frozen=True)
class Coverage:
    """What the localizer left of a scan: `labelled_voxels` are those of the judged structures."""

    labelled_voxels: int
    labelled_voxels_outside: int
    kept_share: float

    @property
    def is_complete(self) -> bool:
        """Whether every labelled voxel lies in what it kept."""
        return self.labelled_voxels_outside == 0


@dataclass(frozen=True)
class CaseResult:
    """One case: the score of each structure that was drawn, by the model's names.

    `seconds`, `cpu_seconds`: of the pipeline from files to structure set, by the clock and summed
    over all threads. `notes`: what a reader of the figures must know of this case.
    """

    name: str
    scores: dict[str, Score]
    seconds: float
    cpu_seconds: float
    coverage: Coverage | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class LeftOut:
    """A case that could not be judged, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class JudgedModel:
    """The bundle as it was judged; `structures` in the order of its card."""

    name: str
    version: str
    checksum: str
    runtime: str
    structures: tuple[str, ...]


@dataclass(frozen=True)
class JudgedData:
    """The cases as they were shown; `name` of the data set, never a path."""

    name: str
    split: str
    columns: int | None = None
    surroundings_mm: float | None = None


@dataclass(frozen=True)
class Machine:
    """Where it ran; `threads`: of the runtime, in each of `jobs` processes."""

    processor: str
    cores: int
    jobs: int
    threads: int
    software_version: str


@dataclass(frozen=True)
class Evaluation:
    """One bundle on one set of cases, in the order of the data."""

    model: JudgedModel
    data: JudgedData
    machine: Machine
    cases: tuple[CaseResult, ...]
    left_out: tuple[LeftOut, ...] = ()
    format: Literal[1] = field(default=1)

    @property
    def structures(self) -> tuple[str, ...]:
        """Those that were drawn in any case, in the order of the card."""
        drawn = {name for case in self.cases for name in case.scores}
        return tuple(name for name in self.model.structures if name in drawn)


_FILE = TypeAdapter(Evaluation)


def encode_evaluation(evaluation: Evaluation) -> bytes:
    """The content of an `evaluation.json`."""
    return _FILE.dump_json(evaluation, indent=1) + b"\n"


def read_evaluation(path: Path) -> Evaluation:
    """Raises `UnusableInputError` for a file that is no evaluation of this format."""
    try:
        return _FILE.validate_json(path.read_bytes(), strict=False)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in fault["loc"]) or "the file"
        raise UnusableInputError(
            f"{path} is no evaluation of this version ({place}: {fault['msg']}): run "
            "`oarlock evaluate` again."
        ) from error
