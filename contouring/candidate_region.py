"""The candidate region: the voxels of a scan that a segmenter is to classify, as a coarse mask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from contouring.grid import Grid
from contouring.lattice import BoxMm, Lattice, scan_box
from contouring.volume import CTVolume

PATIENT_HU = -300.0  # between air and fat, away from both
LOOK_MM = 4.0  # between voxels that are looked at for the body
SCRAP_CM3 = 50.0  # a hand is larger
BODY_MARGIN_MM = 20.0


@dataclass(frozen=True, eq=False)
class CandidateRegion:
    """`mask`: (z, y, x) bool on `lattice`, which covers the whole scan.

    Any other place belongs to the region if the sample nearest to it does.
    """

    mask: NDArray[np.bool_]
    lattice: Lattice

    @property
    def share(self) -> float:
        """Of all samples."""
        return float(self.mask.mean())

    def box(self, grid: Grid) -> BoxMm:
        """The smallest box that holds every place of the region in the scan."""
        along_ct = self.lattice.to_ct_axes(self.mask)
        low, high = [], []
        for axis, scan in enumerate(grid.axes_mm):
            others = tuple({0, 1, 2} - {axis})
            found = np.flatnonzero(along_ct.any(axis=others))
            halfway = _halfway_mm(self.lattice.axes_mm[axis])
            ends = np.concatenate([scan[:1], halfway, scan[-1:]])
            low.append(float(ends[found[0]]))
            high.append(float(ends[found[-1] + 1]))
        return BoxMm((low[0], low[1], low[2]), (high[0], high[1], high[2]))

    def on(self, lattice: Lattice) -> NDArray[np.bool_]:
        """(z, y, x) bool on another lattice of the same scan."""
        nearest = [
            np.searchsorted(_halfway_mm(own), wanted)
            for own, wanted in zip(self.lattice.axes_mm, lattice.axes_mm, strict=True)
        ]
        return lattice.to_canonical(self.lattice.to_ct_axes(self.mask)[np.ix_(*nearest)])


def patient_mask(hu: NDArray[np.number]) -> NDArray[np.bool_]:
    """(z, y, x) bool: the largest part of `hu` denser than air, filled slice by slice.

    All of it where nothing is (the body of Roth et al., arXiv 1803.05431, section 2, without a hand
    on it).
    """
    parts, count = ndimage.label(hu > PATIENT_HU)
    if count == 0:
        return np.ones(hu.shape, bool)
    largest = parts == 1 + int(part_sizes(parts, count)[1:].argmax())
    return np.stack([ndimage.binary_fill_holes(plane) for plane in largest])


def part_sizes(labels: NDArray[np.int32], count: int) -> NDArray[np.intp]:
    """How many samples (z, y, x) carry each label from 0 to `count`.

    Plane by plane: of all at once, a copy of eight bytes each would be made.
    """
    sizes = np.zeros(count + 1, np.intp)
    for plane in labels:
        sizes += np.bincount(plane.ravel(), minlength=count + 1)
    return sizes


def find_body_box(ct: CTVolume) -> BoxMm:
    """The box around all that is denser than air and larger than a scrap, with some air around it.

    Looked for on every few rows and columns of each slice; the whole scan where there is nothing.
    """
    grid = ct.grid
    # Every slice: between two of them there may be a wide gap.
    strides = [1, *(max(1, round(LOOK_MM / _step_mm(axis))) for axis in grid.axes_mm[1:])]
    slices, rows, columns = (slice(None, None, stride) for stride in strides)
    labels, count = ndimage.label(ct.hu[slices, rows, columns] > PATIENT_HU)
    looked_at_mm = [axis[::stride] for axis, stride in zip(grid.axes_mm, strides, strict=True)]
    voxel_cm3 = float(np.prod([_step_mm(axis) for axis in looked_at_mm])) / 1000
    kept = part_sizes(labels, count) * voxel_cm3 >= SCRAP_CM3
    kept[0] = False
    if not kept.any():
        return scan_box(grid)
    found = ndimage.find_objects(kept[labels].view(np.int8))[0]
    low, high = [], []
    for axis, looked_at, side in zip(grid.axes_mm, looked_at_mm, found, strict=True):
        low.append(max(float(axis[0]), float(looked_at[side.start]) - BODY_MARGIN_MM))
        high.append(min(float(axis[-1]), float(looked_at[side.stop - 1]) + BODY_MARGIN_MM))
    return BoxMm((low[0], low[1], low[2]), (high[0], high[1], high[2]))


def _step_mm(positions_mm: NDArray[np.float64]) -> float:
    return float(np.median(np.diff(positions_mm))) if len(positions_mm) > 1 else 1.0


def dilate(mask: NDArray[np.bool_], lattice: Lattice, reach_mm: float) -> NDArray[np.bool_]:
    """The mask (z, y, x) and every sample within `reach_mm` of one of its own.

    Where steps are uneven the smallest counts for all, so that no less than `reach_mm` is added.
    """
    if reach_mm == 0 or not mask.any():
        return mask
    steps_mm = [
        float(np.diff(lattice.axes_mm[axis]).min()) if len(lattice.axes_mm[axis]) > 1 else 1.0
        for axis in lattice.order
    ]
    distance_mm = ndimage.distance_transform_edt(~mask, sampling=steps_mm)
    return np.asarray(distance_mm <= reach_mm)


def confine(logits: NDArray[np.float32], wanted: NDArray[np.bool_]) -> None:
    """Make background, in place, of all voxels of `logits` (channels, z, y, x) not `wanted`.

    What another channel led by, background now leads by: between a voxel that is taken away and one
    that stays the field still changes its sign about halfway.
    """
    for number, outside in enumerate(~wanted):
        given = logits[:, number, outside]  # (channels, voxels)
        second, best = np.partition(given, -2, axis=0)[-2:]
        logits[0, number, outside] = np.where(given[0] < best, 2 * best - second, given[0])


def _halfway_mm(positions_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    return (positions_mm[1:] + positions_mm[:-1]) / 2
