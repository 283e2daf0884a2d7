"""Two structure sets of one CT side by side: how far the same structure differs in them.

Both are filled at pixel centres on the CT's own grid. A surface is the outermost voxels of a
structure; the surface Dice is the share of both surfaces that lies within a tolerance of the other
(Nikolov et al., J. Med. Internet Res. 23:e26151, 2021, who weigh by area where this counts voxels).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, generate_binary_structure
from scipy.spatial import cKDTree

from contouring.dicom_series import CTSeries
from contouring.grid import Grid
from contouring.rasters import dice, read_masks

TOLERANCE_MM = 2.0
CUBIC_MM_PER_CM3 = 1000.0

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Difference:
    """One structure in both structure sets.

    `dice`, `surface_dice`: 0 to 1; `furthest_mm`: the largest distance from one surface to the
    other. All three are None where one of them has no such structure.
    """

    name: str
    volume_cm3: float
    other_volume_cm3: float
    dice: float | None
    surface_dice: float | None
    furthest_mm: float | None


def compare_structure_sets(
    structure_set: bytes, other: bytes, series: CTSeries, tolerance_mm: float = TOLERANCE_MM
) -> tuple[Difference, ...]:
    """Every structure that one of two RTSTRUCTs of a series has, by its name."""
    masks, others = read_masks(structure_set, series), read_masks(other, series)
    nothing = np.zeros(series.shape_zyx, bool)
    return tuple(
        compare_masks(
            name, masks.get(name, nothing), others.get(name, nothing), series.grid, tolerance_mm
        )
        for name in dict.fromkeys((*masks, *others))
    )


def compare_masks(
    name: str, mask: Mask, other: Mask, grid: Grid, tolerance_mm: float = TOLERANCE_MM
) -> Difference:
    """Both masks: (slices, rows, columns) on `grid`, whose slices may lie unevenly."""
    volumes = _volume_cm3(mask, grid), _volume_cm3(other, grid)
    if not mask.any() or not other.any():
        return Difference(name, *volumes, None, None, None)
    there, back = _distances_mm(_find_surface_mm(mask, grid), _find_surface_mm(other, grid))
    distances_mm = np.concatenate([there, back])
    return Difference(
        name,
        *volumes,
        dice=dice(mask, other),
        surface_dice=float(np.mean(distances_mm <= tolerance_mm)),
        furthest_mm=float(distances_mm.max()),
    )


def _volume_cm3(mask: Mask, grid: Grid) -> float:
    """Each slice is as thick as half the way to its neighbours on both sides."""
    offsets_mm = grid.axes_mm[0]
    edges_mm = (offsets_mm[1:] + offsets_mm[:-1]) / 2
    thickness_mm = np.diff(
        [2 * offsets_mm[0] - edges_mm[0], *edges_mm, 2 * offsets_mm[-1] - edges_mm[-1]]
    )
    areas_mm2 = mask.sum(axis=(1, 2)) * np.prod(grid.pixel_spacing_mm)
    return float(areas_mm2 @ thickness_mm) / CUBIC_MM_PER_CM3


def _find_surface_mm(mask: Mask, grid: Grid) -> NDArray[np.float64]:
    """(n, 3): centres of the voxels with a neighbour outside, along slices, rows and columns."""
    inside = binary_erosion(mask, generate_binary_structure(3, 1))
    places = np.nonzero(mask & ~inside)
    return np.stack([axis[index] for axis, index in zip(grid.axes_mm, places, strict=True)], axis=1)


def _distances_mm(
    surface_mm: NDArray[np.float64], other_mm: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """From each point to the nearest one of the other surface, in both directions."""
    there, _ = cKDTree(other_mm).query(surface_mm)
    back, _ = cKDTree(surface_mm).query(other_mm)
    return np.asarray(there), np.asarray(back)
