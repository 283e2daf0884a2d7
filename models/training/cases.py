"""Training cases: a CT and the structures that were drawn on it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from models.training.dataset import (
    CaseEntry,
    Dataset,
    DatasetError,
    lie_alike,
    read_dataset,
    read_volume,
)

# Of the head-and-neck data set OpenKBP, in the order of its labels.
STRUCTURES = (
    "Brainstem",
    "SpinalCord",
    "Parotid_R",
    "Parotid_L",
    "Esophagus",
    "Larynx",
    "Mandible",
)
AIR_HU = -1024
CROP_MARGIN_MM = 90.0  # what a rotated, shifted window can still reach


@dataclass(frozen=True)
class TrainingCase:
    """One patient.

    `hu`: (z, y, x) int16, Hounsfield units, axes towards head, back and left; `labels`: (z, y, x)
    uint8, 0 where nothing was drawn and 1, 2, 3, ... in the order of `structures`; `is_drawn`:
    (1 + structures,) bool, background first. A structure that is not drawn may stand anywhere in
    the background.
    """

    name: str
    hu: NDArray[np.int16]
    labels: NDArray[np.uint8]
    spacing_zyx_mm: tuple[float, float, float]
    is_drawn: NDArray[np.bool_]
    structures: tuple[str, ...] = STRUCTURES

    def box(self, around: NDArray[np.bool_], margin_mm: float) -> tuple[slice, slice, slice]:
        """The smallest box that holds `around` (z, y, x) and `margin_mm` on every side of it."""
        margin = np.ceil(margin_mm / np.array(self.spacing_zyx_mm)).astype(int)
        sides = []
        for axis, others in enumerate(((1, 2), (0, 2), (0, 1))):
            where = np.flatnonzero(around.any(axis=others))
            if not len(where):
                return slice(None), slice(None), slice(None)
            last = min(int(where[-1]) + 1 + margin[axis], around.shape[axis])
            sides.append(slice(max(int(where[0]) - margin[axis], 0), last))
        return sides[0], sides[1], sides[2]


def nearest_tissue(case: TrainingCase) -> tuple[NDArray[np.float32], NDArray[np.int16]]:
    """Of each voxel, the distance to what was not blanked (mm) and the Hounsfield units there."""
    distance_mm, nearest = distance_transform_edt(
        case.hu <= AIR_HU, sampling=case.spacing_zyx_mm, return_indices=True
    )
    return distance_mm.astype(np.float32), case.hu[tuple(nearest)]


def with_surroundings(case: TrainingCase, reach_mm: float) -> TrainingCase:
    """The case with the blanked region filled with tissue as far as `reach_mm`."""
    distance_mm, tissue = nearest_tissue(case)
    return replace(case, hu=np.where(distance_mm < reach_mm, tissue, case.hu))


def read_cases(
    folder: Path, split: str, structures: tuple[str, ...] | None = None
) -> list[TrainingCase]:
    """Every labelled case of `split` (train, val or all) below a data set's folder."""
    dataset = read_dataset(folder)
    return [
        read_case(dataset, entry, structures)
        for entry in dataset.cases(split)
        if entry.labels is not None
    ]


def read_case(
    dataset: Dataset, entry: CaseEntry, structures: tuple[str, ...] | None = None
) -> TrainingCase:
    """One case with the labels of `structures` (by default all of the data set's), 1, 2, 3, ...

    Structures that the data set does not know, and a case without labels, count as not drawn; what
    is drawn beside `structures` is background.
    """
    structures = dataset.structures if structures is None else structures
    hu, spacing_zyx_mm = read_volume(entry.image)
    hu = np.maximum(hu, AIR_HU)  # as a scan is read that is contoured: padding counts as air
    labels = np.zeros(hu.shape, np.uint8)
    if entry.labels is not None:
        drawn, _ = read_volume(entry.labels)
        if drawn.shape != hu.shape or not lie_alike(entry.image, entry.labels):
            raise DatasetError(f"{entry.labels}: its grid is not the image's; resample the labels")
        lookup = np.zeros(256, np.uint8)
        for wanted, name in enumerate(structures, start=1):
            if name in dataset.labels:
                lookup[dataset.labels[name]] = wanted
        labels = lookup[drawn.astype(np.uint8)]
    is_drawn = np.array([True, *(name in entry.drawn for name in structures)])
    labels[np.isin(labels, np.flatnonzero(~is_drawn))] = 0
    return TrainingCase(entry.name, hu, labels, spacing_zyx_mm, is_drawn, structures)
