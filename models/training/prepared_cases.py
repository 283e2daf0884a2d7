"""Cases as patches are drawn from them: cropped, with the places of their labels looked up once."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import CacheDataset, PersistentDataset
from monai.transforms import Compose, Transform
from numpy.typing import NDArray
from torch import Tensor

from contouring.errors import InferenceError
from models.training.cases import AIR_HU, CROP_MARGIN_MM, TrainingCase, nearest_tissue, read_case
from models.training.dataset import CaseEntry, Dataset, DatasetError
from models.training.recipe_file import Recipe

VOXELS_KEPT = 20_000  # per structure: enough to choose centres from
LARGEST_BLANK_MM = 255  # of a byte; no augmentation fills that far

Marker = Callable[[TrainingCase], NDArray[np.bool_]]


@dataclass(frozen=True)
class PreparedCase:
    """`hu` (z, y, x) int16, `labels` uint8; `is_drawn` (1 + structures,) bool.

    `voxels`: per label, places (n, 3) of some of its voxels, evenly taken; `candidate` (z, y, x)
    bool: what is learned from, everything if None. `blank_mm` uint8 and `nearest` int16: of each
    blanked voxel, the distance to the nearest tissue and its Hounsfield units; None where no recipe
    asks for them. `intensity`: the rule's two ranges, settled for this scan.
    """

    name: str
    hu: Tensor
    labels: Tensor
    spacing_zyx_mm: tuple[float, float, float]
    is_drawn: Tensor
    voxels: Sequence[Tensor]
    intensity: tuple[float, float, float, float]
    candidate: Tensor | None = None
    blank_mm: Tensor | None = None
    nearest: Tensor | None = None

    @property
    def shape_zyx(self) -> tuple[int, int, int]:
        """Voxels along each axis."""
        z, y, x = self.hu.shape
        return z, y, x

    @property
    def bytes_held(self) -> int:
        """What its arrays take."""
        arrays = (self.hu, self.labels, self.candidate, self.blank_mm, self.nearest)
        return sum(array.nbytes for array in arrays if array is not None)

    def to(self, device: torch.device) -> PreparedCase:
        """The case with its arrays on `device`; the places of its voxels stay where they are."""
        return replace(
            self,
            hu=self.hu.to(device),
            labels=self.labels.to(device),
            candidate=None if self.candidate is None else self.candidate.to(device),
            blank_mm=None if self.blank_mm is None else self.blank_mm.to(device),
            nearest=None if self.nearest is None else self.nearest.to(device),
        )


def prepare_case(
    case: TrainingCase, recipe: Recipe, marker: Marker | None = None, *, whole: bool = False
) -> dict[str, Any]:
    """The fields of a `PreparedCase`; `whole`: without cropping it to what patches can reach."""
    # Percentiles are of the whole scan, so the rule is settled before anything is cropped.
    rule = recipe.intensity.rule.for_scan(case.hu)
    candidate = None if marker is None else marker(case)
    box = (slice(None),) * 3 if whole else _kept_box(case, recipe)
    case = replace(case, hu=case.hu[box], labels=case.labels[box])
    prepared: dict[str, Any] = {
        "name": case.name,
        "hu": torch.from_numpy(np.ascontiguousarray(case.hu)),
        "labels": torch.from_numpy(np.ascontiguousarray(case.labels)),
        "spacing_zyx_mm": case.spacing_zyx_mm,
        "is_drawn": torch.from_numpy(case.is_drawn.copy()),
        "voxels": [
            torch.from_numpy(_some_voxels(case.labels == label))
            for label in range(1, len(case.structures) + 1)
        ],
        "intensity": (*rule.hu_range, *rule.output_range),
    }
    if candidate is not None:
        prepared["candidate"] = torch.from_numpy(np.ascontiguousarray(candidate[box]))
    if recipe.augmentation.fill > 0 and not whole:
        distance_mm, nearest = nearest_tissue(case)
        prepared["blank_mm"] = torch.from_numpy(
            np.minimum(np.ceil(distance_mm), LARGEST_BLANK_MM).astype(np.uint8)
        )
        prepared["nearest"] = torch.from_numpy(nearest)
    return prepared


class PrepareCase(Transform):
    """`prepare_case` of an entry of a data set, in the form that MONAI's caches want."""

    def __init__(self, dataset: Dataset, recipe: Recipe, marker: Marker | None = None) -> None:
        self.dataset, self.recipe, self.marker = dataset, recipe, marker

    def __call__(self, entry: CaseEntry) -> dict[str, Any]:
        case = read_case(self.dataset, entry, self.recipe.structure_names)
        try:
            return prepare_case(case, self.recipe, self.marker)
        except InferenceError as error:
            raise DatasetError(f"{entry.image}: {error}") from None


@dataclass(frozen=True)
class Preparation:
    """How many of the cases are ready to draw patches from."""

    done: int
    cases: int


class PreparedCases(Sequence[PreparedCase]):
    """Cases of a data set on which something was drawn, each prepared once.

    In memory, or with `cache`, a folder, on disk: for data sets that are larger than the memory.
    On a GPU the arrays are held there where they fit into half of what is free. `report` is told
    of each case that goes into the memory: where a coarse network marks them it takes minutes.
    """

    def __init__(
        self,
        entries: Sequence[CaseEntry],
        prepare: PrepareCase,
        device: torch.device,
        cache: Path | None = None,
        workers: int = 1,
        report: Callable[[Preparation], None] = lambda preparation: None,
    ) -> None:
        self.names = [entry.name for entry in entries]
        self.drawn = [entry.drawn for entry in entries]
        self._cases: Any  # a sequence of prepared cases, or the fields of each as they lie on disk
        if cache is not None:
            folder = cache / _digest(prepare)
            self._cases = PersistentDataset(
                list(entries), Compose([prepare]), folder, hash_func=_entry_digest
            )
            return
        if not entries:  # as where a recipe asks for no validation; MONAI's cache divides by them
            self._cases = []
            return
        counted = Compose([prepare, _Counter(len(entries), report)])
        with _own_errors():
            stored = CacheDataset(list(entries), counted, num_workers=workers, progress=False)
        cases = [PreparedCase(**fields) for fields in (stored[k] for k in range(len(stored)))]
        if device.type == "cuda" and _fit(cases, device):
            cases = [case.to(device) for case in cases]
        self._cases = cases

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: Any) -> Any:
        with _own_errors():
            found = self._cases[index]
        return PreparedCase(**found) if isinstance(found, dict) else found


class _Counter(Transform):
    """Passes on what it is given; cases are prepared in several threads."""

    def __init__(self, cases: int, report: Callable[[Preparation], None]) -> None:
        self._cases, self._report = cases, report
        self._done, self._lock = 0, threading.Lock()
        report(Preparation(0, cases))

    def __call__(self, fields: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            self._done += 1
            self._report(Preparation(self._done, self._cases))
        return fields


@contextmanager
def _own_errors() -> Iterator[None]:
    """MONAI wraps what a transform raises; what is wrong with the data is told as it is."""
    try:
        yield
    except RuntimeError as error:
        if isinstance(error.__cause__, DatasetError):
            raise error.__cause__ from None
        raise


def _fit(cases: Sequence[PreparedCase], device: torch.device) -> bool:
    free, _ = torch.cuda.mem_get_info(device)
    return sum(case.bytes_held for case in cases) < free / 2


def _kept_box(case: TrainingCase, recipe: Recipe) -> tuple[slice, slice, slice]:
    """What patches can reach: around the labels' levels little, from any place of the scan all."""
    if recipe.sampling.centre != "levels":
        return slice(None), slice(None), slice(None)
    around = case.hu > AIR_HU if recipe.stage == "localizer" else case.labels > 0
    return case.box(around, CROP_MARGIN_MM)


def _some_voxels(mask: NDArray[np.bool_]) -> NDArray[np.int16]:
    voxels = np.argwhere(mask)
    return voxels[:: max(-(-len(voxels) // VOXELS_KEPT), 1)].astype(np.int16)


def _entry_digest(entry: CaseEntry) -> bytes:
    """The same in every process; a set of names is in another order in each."""
    described = [entry.name, str(entry.image), str(entry.labels), sorted(entry.drawn)]
    return hashlib.sha256(json.dumps(described).encode()).hexdigest().encode()


def _digest(prepare: PrepareCase) -> str:
    """Parts the cache by all that decides how a case is prepared."""
    recipe = prepare.recipe
    decisive = {
        "structures": recipe.structure_names,
        "intensity": recipe.intensity.model_dump(mode="json"),
        "stage": recipe.stage,
        "centre": recipe.sampling.centre,
        "fill": recipe.augmentation.fill > 0,
        "candidate": recipe.candidate and recipe.candidate.model_dump(mode="json"),
        "network": getattr(prepare.marker, "checksum", ""),
    }
    return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()[:16]
