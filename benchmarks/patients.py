"""CT series of a real patient's head and neck, at a clinic's size.

The first case of OpenKBP's `val` split, which `hn-oar` was not trained on, between whose coarse
voxels is interpolated. `hn-oar` finds nothing in a phantom.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.training.case_series import LabelledVolume, enlarged, write_case
from models.training.cases import read_cases

OPENKBP = Path(__file__).resolve().parents[2] / "shared" / "openkbp"
COLUMNS = 512


def write_patient(folder: Path, slices: int) -> list[Path]:
    """So many slices of 512 x 512 over the length of the scan; needs the data of `OPENKBP`."""
    if not OPENKBP.is_dir():
        raise SystemExit(
            f"A patient's CT is needed: put the cases of OpenKBP into {OPENKBP} "
            "(docs/training.md tells their form)."
        )
    case = enlarged(read_cases(OPENKBP, "val")[0], COLUMNS)
    z_mm, *in_plane_mm = case.spacing_zyx_mm
    places = np.linspace(0, len(case.hu) - 1, slices)
    below = np.minimum(places.astype(int), len(case.hu) - 2)
    hu = np.empty((slices, *case.hu.shape[1:]), np.int16)
    for plane, low, share in zip(hu, below, places - below, strict=True):
        plane[...] = np.round((1 - share) * case.hu[low] + share * case.hu[low + 1])
    row_mm, column_mm = in_plane_mm
    apart_mm = z_mm * (len(case.hu) - 1) / (slices - 1)
    longer = LabelledVolume(
        case.name, hu, np.zeros_like(hu, np.uint8), (apart_mm, row_mm, column_mm)
    )
    return write_case(longer, folder)
