"""What TotalSegmentator does before and after its networks, by the functions of its own package.

    python -m benchmarks.totalsegmentator_chain SERIES ORGANS

In the order of its `nnUNet_predict_image`, with its defaults, from a folder of DICOM to its
RTSTRUCT. What nnU-Net does to images and logits around the network itself is left out. The made
labels lie ready where nnU-Net would have written them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nibabel
import numpy as np
from totalsegmentator.alignment import as_closest_canonical, undo_canonical
from totalsegmentator.dicom_io import dcm_to_nifti, save_mask_as_rtstruct
from totalsegmentator.resampling import change_spacing

from benchmarks.made_anatomy import ROIS_MM, find_corner, make_anatomy
from benchmarks.turns import Stopwatch, answer
from contouring.dicom_series import read_series

SPACING_MM = [1.5, 1.5, 1.5]  # of its models


def main() -> None:
    """Serve `benchmarks.turns`."""
    series, organs, roi_mm = Path(sys.argv[1]), int(sys.argv[2]), ROIS_MM["large"]
    grid = read_series(series).grid
    first_mm = grid.positions_mm[0]  # x, y, z
    anatomy = make_anatomy(organs, find_corner(grid.axes_mm, roi_mm), roi_mm)
    names = {one.label: one.name for one in anatomy.structures}

    def work(watch: Stopwatch) -> None:
        with TemporaryDirectory() as name:
            folder = Path(name)
            with watch.stage("read and preprocess"):
                dcm_to_nifti(series, folder / "converted_dcm.nii.gz")
                original = nibabel.load(folder / "converted_dcm.nii.gz")
                image = nibabel.Nifti1Image(original.get_fdata(), original.affine)
                image = as_closest_canonical(image)
                resampled = change_spacing(image, SPACING_MM, order=1, dtype=np.int32, nr_cpus=1)
                nibabel.save(resampled, folder / "s01_0000.nii.gz")
            labels = anatomy.label(_read_axes(resampled, first_mm)).transpose(2, 1, 0)
            nibabel.save(nibabel.Nifti1Image(labels, resampled.affine), folder / "s01.nii.gz")
            with watch.stage("masks on the CT's grid"):
                predicted = nibabel.load(folder / "s01.nii.gz")
                predicted = change_spacing(
                    predicted,
                    SPACING_MM,
                    image.shape,
                    order=0,
                    dtype=np.uint8,
                    nr_cpus=1,
                    force_affine=image.affine,
                )
                mask = undo_canonical(predicted, original).get_fdata().astype(np.uint8)
            with watch.stage("RTSTRUCT"):
                save_mask_as_rtstruct(mask, names, str(series), str(folder / "theirs.dcm"))
        voxel_cm3 = np.prod(grid.spacing_zyx_mm) / 1000
        counts = np.bincount(mask.ravel(), minlength=organs + 1)[1:]
        anatomy.check(dict(zip(names.values(), counts * voxel_cm3, strict=True)))

    answer(work)


def _read_axes(image: Any, first_mm: Any) -> tuple[Any, Any, Any]:
    """Samples (z, y, x) of a canonical image (right, front, head) in mm from the first voxel."""
    x, y, z = (
        sign * (image.affine[axis, axis] * np.arange(image.shape[axis]) + image.affine[axis, 3])
        - first_mm[axis]
        for axis, sign in enumerate((-1, -1, 1))
    )
    return z, y, x


if __name__ == "__main__":
    main()
