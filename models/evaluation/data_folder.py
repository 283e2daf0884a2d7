"""Cases found in a folder, whichever of the two layouts it has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from contouring.errors import UnusableInputError
from models.evaluation.dicom_scans import find_dicom_scans
from models.evaluation.drawn_scans import ScanSource
from models.evaluation.nnunet_scans import (
    Showing,
    find_nnunet_scans,
    is_nnunet_folder,
    read_dataset_name,
)
from models.evaluation.results import JudgedData, LeftOut
from models.training.dataset import ALL


@dataclass(frozen=True)
class FoundScans:
    """What can be judged, what cannot, and what to call it all."""

    scans: Sequence[ScanSource]
    left_out: tuple[LeftOut, ...]
    data: JudgedData


def find_scans(folder: Path, split: str = ALL, showing: Showing | None = None) -> FoundScans:
    """Cases of nnU-Net's raw layout where there is a `dataset.json`, otherwise DICOM series.

    A folder of DICOM has no splits, and its series are shown as they are. Raises
    `UnusableInputError` where there is no case.
    """
    showing = showing or Showing()
    if is_nnunet_folder(folder):
        found, left_out = find_nnunet_scans(folder, split, showing)
        data = JudgedData(
            read_dataset_name(folder), split, showing.columns, showing.surroundings_mm
        )
        if not found:
            raise UnusableInputError(
                f"{folder} has no labelled case in split {split!r}: name another with --split "
                f"(train, val or {ALL})."
            )
        return FoundScans(found, left_out, data)
    if showing != Showing():
        raise UnusableInputError(
            "--columns and --surroundings-mm change images of nnU-Net's layout; DICOM series are "
            "judged as they are."
        )
    scans, left_out = find_dicom_scans(folder)
    if not scans:
        reasons = " ".join(f"{one.name}: {one.reason}" for one in left_out[:3])
        raise UnusableInputError(
            f"{folder} is neither in nnU-Net's raw layout (no dataset.json) nor does it hold a CT "
            f"series with the RTSTRUCT that was drawn on it. {reasons}".rstrip()
        )
    return FoundScans(scans, left_out, JudgedData(folder.resolve().name, ALL))
