"""Data sets in nnU-Net's raw layout: which cases there are, how they are split, what was drawn.

dataset.json                labels: {background: 0, Liver: 1, ...}
imagesTr/CASE_0000.nii.gz   Hounsfield units
labelsTr/CASE.nii.gz        may be missing: a case that nobody drew on
splits.json                 optional: {train: [CASE, ...], val: [...]}, or nnU-Net's list of
                            folds (splits_final.json), of which the first counts
cases.json                  optional: [{case: ..., structures: [...]}, ...]: what was drawn,
                            where that is not everything
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

TRAIN, VAL, ALL = "train", "val", "all"
DATASET_FILE, DRAWN_FILE = "dataset.json", "cases.json"
SPLIT_FILES = ("splits.json", "splits_final.json")
IMAGES, LABELS = "imagesTr", "labelsTr"
SAME_PLACE_MM = 0.01  # files keep positions in single precision
IMAGE_ENDING, LABEL_ENDING = "_0000.nii.gz", ".nii.gz"
# The publishers of OpenKBP call two structures otherwise in cases.json than in dataset.json.
_NAMES_AT_THE_SOURCE = {"RightParotid": "Parotid_R", "LeftParotid": "Parotid_L"}


class DatasetError(ValueError):
    """A data set cannot be used: names the file and what is wrong with it."""


@dataclass(frozen=True)
class CaseEntry:
    """One case on disk; `drawn`: the structures that were drawn, empty without `labels`."""

    name: str
    image: Path
    labels: Path | None
    drawn: frozenset[str]


@dataclass(frozen=True)
class Dataset:
    """`labels`: the value of each structure in the label files; `splits`: names of cases."""

    folder: Path
    labels: Mapping[str, int]
    entries: tuple[CaseEntry, ...]
    splits: Mapping[str, tuple[str, ...]]

    @property
    def structures(self) -> tuple[str, ...]:
        """In the order of their values."""
        return tuple(sorted(self.labels, key=self.labels.__getitem__))

    def cases(self, split: str) -> tuple[CaseEntry, ...]:
        """Of `train`, `val` or `all`, in the order of the splits file."""
        if split == ALL:
            return self.entries
        by_name = {entry.name: entry for entry in self.entries}
        return tuple(by_name[name] for name in self.splits.get(split, ()))


def structure_name(at_source: str) -> str:
    """The name in dataset.json of what `cases.json` calls a structure."""
    return _NAMES_AT_THE_SOURCE.get(at_source, at_source)


def read_dataset(folder: Path) -> Dataset:
    """What lies below `folder`; raises `DatasetError`. Without a splits file all is `train`."""
    labels = _read_labels(folder / DATASET_FILE)
    images = sorted((folder / IMAGES).glob(f"*{IMAGE_ENDING}"))
    if not images:
        raise DatasetError(f"{folder / IMAGES}: there is no CASE{IMAGE_ENDING}")
    drawn = _read_drawn(folder / DRAWN_FILE, labels)
    entries = []
    for image in images:
        name = image.name.removesuffix(IMAGE_ENDING)
        label_file = folder / LABELS / f"{name}{LABEL_ENDING}"
        is_labelled = label_file.is_file()
        known = drawn.get(name, frozenset(labels)) if is_labelled else frozenset()
        entries.append(CaseEntry(name, image, label_file if is_labelled else None, known))
    splits = _read_splits(folder, [entry.name for entry in entries])
    return Dataset(folder, labels, tuple(entries), splits)


def read_volume(path: Path) -> tuple[NDArray[np.int16], tuple[float, float, float]]:
    """Values (z, y, x) int16 towards head, back and left, and their spacing (z, y, x) in mm.

    Turned and mirrored to the patient's axes; an oblique grid stays along its own.
    """
    image = nibabel.Nifti1Image.from_filename(path)
    turn = _turn(image)
    values = nibabel.orientations.apply_orientation(np.asarray(image.dataobj), turn)
    if values.ndim != 3:
        raise DatasetError(f"{path}: {values.ndim} axes, not three")
    spacing = np.empty(3)
    spacing[turn[:, 0].astype(int)] = nibabel.affines.voxel_sizes(image.affine)
    x_mm, y_mm, z_mm = (float(side) for side in spacing)
    if values.dtype.kind == "f":
        values = np.round(np.clip(values, -32768, 32767))
    return np.ascontiguousarray(values.astype(np.int16).transpose(2, 1, 0)), (z_mm, y_mm, x_mm)


def lie_alike(first: Path, second: Path) -> bool:
    """Whether the voxels of two volumes are at the same places, however the files are turned."""
    one, other = _turned_affine(first), _turned_affine(second)
    return bool(np.allclose(one, other, rtol=0, atol=SAME_PLACE_MM))


def write_labels(path: Path, labels: NDArray[np.uint8], image: Path) -> None:
    """`labels` (z, y, x) as `read_volume` gives them, on the grid of `image`."""
    like = nibabel.Nifti1Image.from_filename(image)
    turned = like.as_reoriented(_turn(like))
    written = nibabel.Nifti1Image(labels.transpose(2, 1, 0), turned.affine)
    written.to_filename(path)


def _turned_affine(path: Path) -> NDArray[np.float64]:
    """From voxels, as `read_volume` turns them, to mm."""
    image = nibabel.Nifti1Image.from_filename(path)
    unturned = nibabel.orientations.inv_ornt_aff(_turn(image), image.shape)
    affine: NDArray[np.float64] = image.affine @ unturned
    return affine


def _turn(image: nibabel.Nifti1Image) -> NDArray[np.float64]:
    """From the image's axes to the patient's: left, back, head."""
    turn: NDArray[np.float64] = nibabel.orientations.ornt_transform(
        nibabel.orientations.io_orientation(image.affine),
        nibabel.orientations.axcodes2ornt(("L", "P", "S")),
    )
    return turn


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DatasetError(f"{path} is missing: give a folder in nnU-Net's raw layout") from None
    except json.JSONDecodeError as error:
        raise DatasetError(f"{path}: not JSON: {error}") from None


def _read_labels(path: Path) -> dict[str, int]:
    content = _read_json(path)
    labels = content.get("labels") if isinstance(content, dict) else None
    if not isinstance(labels, dict) or not all(isinstance(v, int) for v in labels.values()):
        raise DatasetError(f"{path}: labels must be as in {{background: 0, Liver: 1}}")
    found = {str(name): value for name, value in labels.items() if value != 0}
    if not found or not all(0 < value < 256 for value in found.values()):
        raise DatasetError(f"{path}: labels must have values from 1 to 255")
    return found


def _read_drawn(path: Path, labels: Mapping[str, int]) -> dict[str, frozenset[str]]:
    if not path.is_file():
        return {}
    drawn = {}
    for entry in _read_json(path):
        names = frozenset(map(structure_name, entry.get("structures", labels)))
        if unknown := names - set(labels):
            raise DatasetError(f"{path}: {', '.join(sorted(unknown))} is not in dataset.json")
        drawn[str(entry["case"])] = names
    return drawn


def _read_splits(folder: Path, names: list[str]) -> dict[str, tuple[str, ...]]:
    for path in (folder / file for file in SPLIT_FILES):
        if not path.is_file():
            continue
        content = _read_json(path)
        fold = content[0] if isinstance(content, list) else content
        splits = {split: tuple(fold.get(split, ())) for split in (TRAIN, VAL)}
        if unknown := {name for split in splits.values() for name in split} - set(names):
            raise DatasetError(f"{path}: there is no image of {', '.join(sorted(unknown))}")
        return splits
    return {TRAIN: tuple(names), VAL: ()}
