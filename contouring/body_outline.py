"""The patient's outer border: where the CT crosses a threshold, about its largest part.

What belongs to the patient is decided on voxels of about 2 mm: thin shells, as couches, masks and
head rests are made of, are opened away before the largest part is taken, and thin parts of the
patient (ears, nose) are given back where they are small. The border itself stays that of the CT:
Hounsfield units minus the threshold, traced between voxels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from contouring.grid import Grid
from contouring.margins import BOX_MARGIN
from contouring.masks import TOUCHING, StructureField
from contouring.structures import Structure
from contouring.volume import CTVolume
from contouring.voxel_boxes import VoxelBox

COARSE_MM = 2.0
SHELL_MM = 8.0  # what is thinner is opened away: couch tops, mattresses, masks
SMALL_PART_CM3 = 12.0  # an ear has about 7 cm3; the shell of a couch has hundreds
FORCED_HU = 1000.0  # of voxels that are decided, not measured


def find_body(structure: Structure, ct: CTVolume, threshold_hu: float) -> StructureField | None:
    """The largest part above the threshold, holes filled slice by slice; None if there is none."""
    grid = ct.grid
    steps = tuple(max(1, round(COARSE_MM / spacing)) for spacing in grid.pixel_spacing_mm)
    body = _largest(_coarse(ct.hu, threshold_hu, steps), grid, steps)
    if not body.any():
        return None
    box = _box(body, grid, steps)
    values = np.empty([high - low for low, high in zip(box.low, box.high, strict=True)], np.float32)
    rows, columns = (slice(box.low[axis], box.high[axis]) for axis in (1, 2))
    for index, plane in enumerate(body[box.low[0] : box.high[0]]):
        fine = np.repeat(np.repeat(plane, steps[0], axis=0), steps[1], axis=1)
        hu = ct.hu[box.low[0] + index, rows, columns]
        values[index] = _signed(hu, fine[rows, columns], threshold_hu, steps)
    return box.field_of(structure, values, grid)


def _coarse(
    hu: NDArray[np.int16], threshold_hu: float, steps: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Blocks of pixels of which at least half are above the threshold."""
    down, across = steps
    rows, columns = (-(-side // step) for side, step in zip(hu.shape[1:], steps, strict=True))
    coarse = np.empty((len(hu), rows, columns), bool)
    edges = (0, rows * down - hu.shape[1]), (0, columns * across - hu.shape[2])
    for index, plane in enumerate(hu):
        above = np.pad(plane > threshold_hu, edges, mode="edge")
        blocks = above.reshape(rows, down, columns, across)
        coarse[index] = 2 * blocks.sum(axis=(1, 3)) >= down * across
    return coarse


def _largest(above: NDArray[np.bool_], grid: Grid, steps: tuple[int, ...]) -> NDArray[np.bool_]:
    """The largest part after thin shells are gone, with its own small thin parts."""
    disc = _disc(grid, steps)
    thick = ndimage.binary_dilation(ndimage.binary_erosion(above, disc, border_value=1), disc)
    labels, count = ndimage.label(thick & above, TOUCHING)
    if count == 0:
        labels, count = ndimage.label(above, TOUCHING)
    sizes = np.bincount(labels.ravel(), minlength=2)
    largest = labels == 1 + int(sizes[1:].argmax()) if count else np.zeros_like(above)
    return _with_small_parts(largest, above, grid, steps)


def _disc(grid: Grid, steps: tuple[int, ...]) -> NDArray[np.bool_]:
    down_mm, across_mm = (
        step * spacing for step, spacing in zip(steps, grid.pixel_spacing_mm, strict=True)
    )
    radius_mm = SHELL_MM / 2
    down, across = int(radius_mm / down_mm), int(radius_mm / across_mm)
    y, x = np.mgrid[-down : down + 1, -across : across + 1]
    return np.asarray(((y * down_mm) ** 2 + (x * across_mm) ** 2 <= radius_mm**2)[None])


def _with_small_parts(
    largest: NDArray[np.bool_], above: NDArray[np.bool_], grid: Grid, steps: tuple[int, ...]
) -> NDArray[np.bool_]:
    """With what hangs on it alone and is small: ears and noses, not a couch."""
    labels, count = ndimage.label(above & ~largest, TOUCHING)
    touched = np.unique(labels[ndimage.binary_dilation(largest, TOUCHING)])
    voxel_mm3 = float(np.prod(grid.spacing_zyx_mm)) * steps[0] * steps[1]
    is_part = np.zeros(count + 1, bool)
    is_part[touched] = True
    is_part &= np.bincount(labels.ravel(), minlength=count + 1) * voxel_mm3 <= 1e3 * SMALL_PART_CM3
    is_part[0] = False
    return np.asarray(largest | is_part[labels])


def _box(body: NDArray[np.bool_], grid: Grid, steps: tuple[int, ...]) -> VoxelBox:
    low, high = [], []
    for axis, step in enumerate((1, *steps)):
        found = np.flatnonzero(body.any(axis=tuple({0, 1, 2} - {axis})))
        low.append(max(int(found[0]) * step - step - BOX_MARGIN, 0))
        high.append(min((int(found[-1]) + 2) * step + BOX_MARGIN, grid.shape_zyx[axis]))
    return VoxelBox((low[0], low[1], low[2]), (high[0], high[1], high[2]))


def _signed(
    hu: NDArray[np.int16], body: NDArray[np.bool_], threshold_hu: float, steps: tuple[int, ...]
) -> NDArray[np.float32]:
    """Positive inside: Hounsfield units minus the threshold, but where a pixel is decided."""
    block = np.ones([2 * step + 1 for step in steps], bool)
    above = (hu > threshold_hu) & ndimage.binary_dilation(body, block)
    filled = ndimage.binary_fill_holes(above)
    values = (hu - np.float32(threshold_hu)).clip(-FORCED_HU, FORCED_HU).astype(np.float32)
    values[filled & ~above] = FORCED_HU
    values[~filled & (values > 0)] = -FORCED_HU
    return values
