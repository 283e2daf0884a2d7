"""The same as `our_chain` by MONAI's transforms and rt-utils, as published pipelines do it.

    python -m benchmarks.monai_chain SERIES THREADS ORGANS ROI [RECIPE]

With a recipe its network, in PyTorch and with random weights, is run on every window.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import monai.transforms as mt
import numpy as np
import torch
from monai.data import MetaTensor
from monai.inferers import sliding_window_inference
from numpy.typing import NDArray
from rt_utils import RTStructBuilder
from torch import Tensor, nn

from benchmarks.made_anatomy import ROIS_MM, Axes, MadeAnatomy, find_corner, make_anatomy
from benchmarks.our_chain import OVERLAP, PERCENTILES, SPACING_MM, WINDOW, find_box
from benchmarks.turns import Stopwatch, answer
from contouring.dicom_series import read_series
from models.training.recipe_file import read_recipe
from models.training.runs import recipe_network


def main() -> None:
    """Serve `benchmarks.turns`."""
    folder, threads, organs = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    roi_mm = ROIS_MM[sys.argv[4]]
    torch.set_num_threads(threads)
    network = recipe_network(read_recipe(sys.argv[5])).eval() if len(sys.argv) > 5 else None
    grid = read_series(folder).grid
    first_mm = grid.positions_mm[0]  # x, y, z
    anatomy = make_anatomy(organs, find_corner(grid.axes_mm, roi_mm), roi_mm)
    box = find_box(grid, roi_mm)
    middle = [first_mm[axis] + (box.low[2 - axis] + box.high[2 - axis]) / 2 for axis in range(3)]
    size = [round((box.high[2 - axis] - box.low[2 - axis]) / SPACING_MM[0]) for axis in range(3)]
    z, y, x = SPACING_MM
    load = mt.Compose(
        [
            mt.LoadImaged("image", reader="PydicomReader"),
            mt.EnsureChannelFirstd("image"),
            mt.Orientationd("image", axcodes="LPS", labels=None),
            mt.Spacingd("image", pixdim=(x, y, z), mode="bilinear"),
            mt.ScaleIntensityRangePercentilesd("image", *PERCENTILES, -1.0, 1.0, clip=True),
            mt.NormalizeIntensityd("image"),
        ]
    )

    def work(watch: Stopwatch) -> None:
        with watch.stage("read and preprocess"):
            data = load({"image": str(folder)})
            centre = _find_voxel(data["image"], middle)
            crop = mt.SpatialCropd("image", roi_center=centre, roi_size=size)
            data = crop(data)
        predictor = _Predictor(anatomy, network, _read_axes(data["image"], first_mm))
        with watch.stage("windows"), torch.no_grad():
            image = data["image"].permute(0, 3, 2, 1)[None].as_tensor()
            logits = sliding_window_inference(
                image, WINDOW, 1, predictor, overlap=OVERLAP, mode="gaussian", with_coord=True
            )
        watch.seconds["windows"] -= predictor.seconds
        with watch.stage("masks on the CT's grid"):
            labels = torch.softmax(logits[0], 0).argmax(dim=0, keepdim=True).permute(0, 3, 2, 1)
            del logits
            kept = mt.KeepLargestConnectedComponent(is_onehot=False)(labels)
            data["pred"] = MetaTensor(kept.float(), meta=data["image"].meta)
            data["pred"].applied_operations = data["image"].applied_operations
            back = mt.Compose(
                [
                    mt.Invertd("pred", crop, orig_keys="image", nearest_interp=True),
                    mt.Invertd("pred", load, orig_keys="image", nearest_interp=True),
                ]
            )
            inverted = back(data)
            mask = np.asarray(inverted["pred"][0]).round().astype(np.uint8)  # (column, row, slice)
        with watch.stage("RTSTRUCT"):
            write_masks(folder, mask.transpose(1, 0, 2), anatomy)
        voxel_cm3 = np.prod(grid.spacing_zyx_mm) / 1000
        counts = np.bincount(mask.ravel(), minlength=organs + 1)[1:]
        names = [structure.name for structure in anatomy.structures]
        anatomy.check(dict(zip(names, counts * voxel_cm3, strict=True)))

    answer(work)


def write_masks(folder: Path, mask: NDArray[np.uint8], anatomy: MadeAnatomy) -> None:
    """A structure set of labels (rows, columns, slices) through rt-utils, and away with it."""
    with TemporaryDirectory() as output:
        structure_set = RTStructBuilder.create_new(dicom_series_path=str(folder))
        for structure in anatomy.structures:
            found = np.ascontiguousarray(mask == structure.label)
            if found.any():
                structure_set.add_roi(mask=found, name=structure.name)
        structure_set.save(str(Path(output) / "usual.dcm"))


class _Predictor:
    """As `MadePredictor`: the network's time counts, that of made answers does not."""

    def __init__(self, anatomy: MadeAnatomy, network: nn.Module | None, axes_mm: Axes) -> None:
        self._anatomy, self._network, self._axes_mm = anatomy, network, axes_mm
        self.seconds = 0.0

    def __call__(self, windows: Tensor, places: list[list[slice]]) -> Tensor:
        if self._network is not None:
            self._network(windows)
        started = time.perf_counter()
        answers = []
        for place in places:
            z, y, x = (axis[side] for axis, side in zip(self._axes_mm, place[-3:], strict=True))
            answers.append(self._anatomy.answer((z, y, x)))
        answered = torch.from_numpy(np.stack(answers))
        self.seconds += time.perf_counter() - started
        return answered


def _find_voxel(image: Any, point_mm: list[float]) -> list[int]:
    """The voxel (x, y, z) at a patient point; MONAI's world runs to the right and the front."""
    world = np.array([-point_mm[0], -point_mm[1], point_mm[2], 1.0])
    return [round(float(n)) for n in (np.linalg.inv(np.asarray(image.affine)) @ world)[:3]]


def _read_axes(image: Any, first_mm: NDArray[np.float64]) -> Axes:
    """The image's samples (z, y, x) in mm from the scan's first voxel."""
    affine = np.asarray(image.affine, np.float64)
    x, y, z = (
        sign * (affine[axis, axis] * np.arange(image.shape[axis + 1]) + affine[axis, 3])
        - first_mm[axis]
        for axis, sign in enumerate((-1, -1, 1))
    )
    return z, y, x


if __name__ == "__main__":
    main()
