"""Training cases: OpenKBP head-and-neck CTs with the structures that were drawn for each.

Data: Babier et al., Medical Physics 48:5549-5561, 2021, in nnU-Net raw layout with `cases.json`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

STRUCTURES = (
    "Brainstem",
    "SpinalCord",
    "Parotid_R",
    "Parotid_L",
    "Esophagus",
    "Larynx",
    "Mandible",
)
_NAMES_AT_THE_SOURCE = {"RightParotid": "Parotid_R", "LeftParotid": "Parotid_L"}
AIR_HU = -1024
CROP_MARGIN_MM = 90.0  # what a rotated, shifted window can still reach


@dataclass(frozen=True)
class TrainingCase:
    """One patient.

    `hu`: (z, y, x) int16, Hounsfield units, axes along LPS; `labels`: (z, y, x) uint8, 0 where
    nothing was drawn and 1..7 in the order of `STRUCTURES`; `is_drawn`: (8,) bool, background
    first. A structure that is not drawn may stand anywhere in the background.
    """

    name: str
    hu: NDArray[np.int16]
    labels: NDArray[np.uint8]
    spacing_zyx_mm: tuple[float, float, float]
    is_drawn: NDArray[np.bool_]

    def cropped(self, around: NDArray[np.bool_]) -> TrainingCase:
        """The part within `CROP_MARGIN_MM` of any voxel of `around`, to save memory and time."""
        margin = np.ceil(CROP_MARGIN_MM / np.array(self.spacing_zyx_mm)).astype(int)
        where = np.argwhere(around)
        low = np.maximum(where.min(axis=0) - margin, 0)
        high = np.minimum(where.max(axis=0) + 1 + margin, self.labels.shape)
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        return replace(self, hu=self.hu[box], labels=self.labels[box])


def structure_name(at_source: str) -> str:
    """The name in `STRUCTURES` of what `cases.json` calls a structure."""
    return _NAMES_AT_THE_SOURCE.get(at_source, at_source)


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


def read_cases(folder: Path, split: str) -> list[TrainingCase]:
    """Every case of `split` ("train" or "val") below an OpenKBP folder, in the file's order."""
    entries = json.loads((folder / "cases.json").read_text())
    return [_read_case(folder, entry) for entry in entries if entry["split"] == split]


def _read_case(folder: Path, entry: dict[str, object]) -> TrainingCase:
    name = str(entry["case"])
    image = nibabel.Nifti1Image.from_filename(folder / "imagesTr" / f"{name}_0000.nii.gz")
    labels = nibabel.Nifti1Image.from_filename(folder / "labelsTr" / f"{name}.nii.gz")
    if nibabel.aff2axcodes(image.affine) != ("L", "P", "S"):
        raise ValueError(f"{name}: axes are not left, posterior, superior")
    x_mm, y_mm, z_mm = (float(v) for v in nibabel.affines.voxel_sizes(image.affine))
    drawn = {structure_name(s) for s in entry["structures"]}  # type: ignore[attr-defined]
    return TrainingCase(
        name=name,
        hu=np.ascontiguousarray(np.asarray(image.dataobj, np.int16).transpose(2, 1, 0)),
        labels=np.ascontiguousarray(np.asarray(labels.dataobj, np.uint8).transpose(2, 1, 0)),
        spacing_zyx_mm=(z_mm, y_mm, x_mm),
        is_drawn=np.array([True, *(s in drawn for s in STRUCTURES)]),
    )
