"""Made training cases in nnU-Net's raw layout: a trunk with one blob per structure.

Every structure has its own Hounsfield units and its own place, so that a small network learns it in
seconds. Names that end in `_R` and `_L` and agree before it lie on either side of the midline, the
right one at the smaller x of the left-posterior-superior axes.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray

AIR_HU = -1024
BODY_HU = 20
NOISE_HU = 8.0
HU = (150, -90, 260, -200, 370, 90, 480, -140, 210, 320, 430, -245, 540, 120)
SHAPE_ZYX = (40, 48, 48)
SPACING_ZYX_MM = (3.0, 4.0, 4.0)
BODY_RADII = (0.44, 0.44)  # of rows and columns; the trunk runs through every slice
MIDLINE_ROWS = (0.28, 0.72)  # unpaired blobs: in front and behind
PAIR_ROW, PAIR_COLUMNS = 0.5, {"_R": 0.26, "_L": 0.74}
IN_PLANE_RADIUS = 0.11
SHIFT = 0.02  # how far a case's blobs lie from where the next case's do, of each side


def write_phantom_dataset(
    folder: Path,
    names: Sequence[str],
    structures: Sequence[str],
    shape_zyx: tuple[int, int, int] = SHAPE_ZYX,
    spacing_zyx_mm: tuple[float, float, float] = SPACING_ZYX_MM,
    *,
    drawn: Mapping[str, Sequence[str]] | None = None,
    touching: Mapping[str, str] | None = None,
) -> Path:
    """A dataset of one case per name; the last quarter of them (at least one of two) is `val`.

    `drawn`: what was drawn, for the cases where that is not everything; writes `cases.json`.
    `touching`: a structure to be put at the edge of another one, as a tumour is: {tumour: organ}.
    """
    for part in ("imagesTr", "labelsTr"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for name in names:
        kept = (drawn or {}).get(name, structures)
        hu, labels = phantom_case(name, structures, shape_zyx, touching=touching)
        absent = [k for k, one in enumerate(structures, start=1) if one not in kept]
        labels[np.isin(labels, absent)] = 0
        _write(folder / "imagesTr" / f"{name}_0000.nii.gz", hu, spacing_zyx_mm)
        _write(folder / "labelsTr" / f"{name}.nii.gz", labels, spacing_zyx_mm)
    trained_on = len(names) - max(len(names) // 4, 1) if len(names) > 1 else 1
    splits = {"train": list(names[:trained_on]), "val": list(names[trained_on:])}
    _write_lists(folder, structures, splits)
    if drawn is not None:
        entries = [
            {"case": name, "split": split, "structures": list(drawn.get(name, structures))}
            for split, members in splits.items()
            for name in members
        ]
        (folder / "cases.json").write_text(json.dumps(entries))
    return folder


def phantom_case(
    name: str,
    structures: Sequence[str],
    shape_zyx: tuple[int, int, int] = SHAPE_ZYX,
    *,
    touching: Mapping[str, str] | None = None,
) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
    """`hu` and `labels` of one case, both (z, y, x) towards head, back and left."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    shift = rng.uniform(-SHIFT, SHIFT, size=3)
    # Places as fractions of each side, at voxel centres: (z, y, x) broadcast against one another.
    z, y, x = np.ix_(*((np.arange(side) + 0.5) / side for side in shape_zyx))
    body = ((y - 0.5) / BODY_RADII[0]) ** 2 + ((x - 0.5) / BODY_RADII[1]) ** 2 + 0 * z < 1
    hu = np.where(body, BODY_HU, AIR_HU).astype(np.float64)
    labels = np.zeros(shape_zyx, np.uint8)
    places, z_radius = _places(structures, touching or {})
    for label, structure in enumerate(structures, start=1):
        centre = np.array(places[structure]) + shift
        distance = (
            ((z - centre[0]) / z_radius) ** 2
            + ((y - centre[1]) / IN_PLANE_RADIUS) ** 2
            + ((x - centre[2]) / IN_PLANE_RADIUS) ** 2
        )
        blob = (distance < 1) & (labels == 0)
        labels[blob], hu[blob] = label, HU[(label - 1) % len(HU)]
    hu[body] += rng.normal(0, NOISE_HU, int(body.sum()))
    return np.round(hu).astype(np.int16), labels


def _places(
    structures: Sequence[str], touching: Mapping[str, str]
) -> tuple[dict[str, tuple[float, float, float]], float]:
    """The centre (z, y, x) of each structure and the radius along z, as fractions of each side."""
    stems = list(dict.fromkeys(s[:-2] for s in structures if s[-2:] in PAIR_COLUMNS))
    single = [s for s in structures if s[-2:] not in PAIR_COLUMNS and s not in touching]
    levels = max(len(stems), math.ceil(len(single) / len(MIDLINE_ROWS)), 1)
    heights = [(level + 1) / (levels + 1) for level in range(levels)]
    places: dict[str, tuple[float, float, float]] = {}
    for structure in structures:
        if structure in single:
            index = single.index(structure)
            places[structure] = (heights[index // 2], MIDLINE_ROWS[index % 2], 0.5)
        elif structure[-2:] in PAIR_COLUMNS:
            height = heights[stems.index(structure[:-2])]
            places[structure] = (height, PAIR_ROW, PAIR_COLUMNS[structure[-2:]])
    for structure, organ in touching.items():
        z, y, x = places[organ]
        places[structure] = (z, y + (IN_PLANE_RADIUS if y < 0.5 else -IN_PLANE_RADIUS), x)
    return places, min(0.42 / (levels + 1), 0.16)


def _write(path: Path, values: NDArray[np.generic], spacing_zyx_mm: Sequence[float]) -> None:
    z_mm, y_mm, x_mm = spacing_zyx_mm
    # NIfTI's axes run right to left, back to front reversed: x and y of LPS are its negatives.
    affine = np.diag([-x_mm, -y_mm, z_mm, 1.0])
    nibabel.Nifti1Image(values.transpose(2, 1, 0), affine).to_filename(path)


def _write_lists(
    folder: Path, structures: Sequence[str], splits: Mapping[str, Sequence[str]]
) -> None:
    dataset = {
        "channel_names": {"0": "CT"},
        "labels": {"background": 0} | {s: k for k, s in enumerate(structures, start=1)},
        "numTraining": sum(map(len, splits.values())),
        "file_ending": ".nii.gz",
    }
    (folder / "dataset.json").write_text(json.dumps(dataset))
    (folder / "splits.json").write_text(json.dumps(splits))
