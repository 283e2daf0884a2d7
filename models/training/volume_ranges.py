"""Volumes that the structures of the training cases have: `python -m models.training.volume_ranges
OPENKBP_FOLDER` prints what goes into `models/training/recipes/parts/head-and-neck.yaml` and so into
a model's card.

The rule: from the 2.5th to the 97.5th percentile over the train cases in which a structure was
drawn, widened by a quarter at both ends and rounded outwards to two digits. The extremes themselves
are left out because single labels are odd: a larynx of 0.5 cm3, parotids of twice the usual volume.
A range so made leaves up to four in a hundred of those labels outside, and a structure of which
half was missed often inside: it is no proof that a volume is right.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import nibabel
import numpy as np

from models.training.cases import STRUCTURES
from models.training.dataset import structure_name

PERCENTILES = (2.5, 97.5)
WIDENED = 1.25
DIGITS = 2


def read_volumes_cm3(folder: Path) -> dict[str, list[float]]:
    """Per structure, its volume in every train case below an OpenKBP folder where it was drawn."""
    volumes = defaultdict(list)
    for entry in json.loads((folder / "cases.json").read_text()):
        if entry["split"] != "train":
            continue
        labels = nibabel.Nifti1Image.from_filename(folder / "labelsTr" / f"{entry['case']}.nii.gz")
        voxel_cm3 = abs(float(np.linalg.det(labels.affine[:3, :3]))) / 1e3
        counts = np.bincount(np.asarray(labels.dataobj, np.uint8).ravel(), minlength=8)
        for name in map(structure_name, entry["structures"]):
            volumes[name].append(voxel_cm3 * int(counts[1 + STRUCTURES.index(name)]))
    return dict(volumes)


def volume_ranges_cm3(
    volumes: Mapping[str, Sequence[float]],
) -> dict[str, tuple[float, float]]:
    """Per structure, the smallest and the largest volume to be expected."""
    ranges = {}
    for name, known in volumes.items():
        low, high = np.percentile(known, PERCENTILES)
        ranges[name] = (
            _rounded(float(low) / WIDENED, np.floor),
            _rounded(float(high) * WIDENED, np.ceil),
        )
    return ranges


def _rounded(volume: float, towards: np.ufunc) -> float:
    step = 10.0 ** (np.floor(np.log10(volume)) + 1 - DIGITS)
    return round(float(towards(volume / step) * step), DIGITS)


if __name__ == "__main__":
    found = volume_ranges_cm3(read_volumes_cm3(Path(sys.argv[1])))
    sys.stdout.writelines(f"{name}: {list(found[name])}\n" for name in STRUCTURES)
