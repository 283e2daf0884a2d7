"""Growth by a margin that differs from side to side: by an ellipsoid for each octant.

A place lies in the grown structure if, somewhere in the margin's body around it, the structure's
signed distance is positive. The largest distance in that body is searched for from coarse to fine
over the body's border: a patch of it whose radius is smaller than what it lacks to the best value
found so far cannot hold a better one, because a distance changes by no more than one walks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from contouring.derivations import Margins
from contouring.distances import Axes
from contouring.grid import Grid

PATCH_ERROR_MM = 0.02  # what the finest patches may miss, were both surfaces as round as they are
STEEPNESS = 1.1  # the most that a distance interpolated on a lattice changes over 1 mm
AT_ONCE = 8192  # places searched for together


@dataclass(frozen=True, eq=False)
class Patches:
    """Parts of a margin's border.

    `middles_mm`: (n, 3) on the border, along the CT's axes; `radii_mm`: (n,), about the middles.
    """

    middles_mm: NDArray[np.float64]
    radii_mm: NDArray[np.float64]


def largest_within(
    signed_mm: NDArray[np.float32],
    axes_mm: Axes,
    places_mm: NDArray[np.float64],
    patches: Sequence[Patches],
    wanted_mm: float,
) -> NDArray[np.float32]:
    """(n,) the largest signed distance from which each place is reached by a margin.

    `signed_mm`: (slices, rows, columns) on `axes_mm`, beyond which the end value holds;
    `places_mm`: (n, 3) along the CT's axes; `patches`: the margin's border, as `patches_of` makes
    it. Beyond `wanted_mm` on either side of zero any value of the right sign will do.
    """
    best = [
        _search(signed_mm, axes_mm, places_mm[start : start + AT_ONCE], patches, wanted_mm)
        for start in range(0, len(places_mm), AT_ONCE)
    ]
    return np.concatenate([np.empty(0, np.float32), *best])


def _search(
    signed_mm: NDArray[np.float32],
    axes_mm: Axes,
    places_mm: NDArray[np.float64],
    levels: Sequence[Patches],
    wanted_mm: float,
) -> NDArray[np.float32]:
    best = _interpolated(signed_mm, axes_mm, places_mm)
    place, patch = (
        index.ravel() for index in np.indices((len(places_mm), len(levels[0].radii_mm)))
    )
    for number, level in enumerate(levels):
        reached = _interpolated(signed_mm, axes_mm, places_mm[place] - level.middles_mm[patch])
        np.maximum.at(best, place, reached)
        at_best = reached + STEEPNESS * level.radii_mm[patch]
        hopeful = (at_best > best[place]) & (at_best > -wanted_mm) & (best[place] < wanted_mm)
        place, patch = place[hopeful], patch[hopeful]
        if number + 1 < len(levels):  # each patch has its four parts in the next level
            place = np.repeat(place, 4)
            patch = (4 * patch[:, None] + np.arange(4)).ravel()
    return best


def _interpolated(
    signed_mm: NDArray[np.float32], axes_mm: Axes, places_mm: NDArray[np.float64]
) -> NDArray[np.float32]:
    indices = [
        np.interp(along, axis, np.arange(len(axis)))
        for along, axis in zip(places_mm.T, axes_mm, strict=True)
    ]
    values = ndimage.map_coordinates(signed_mm, indices, order=1, mode="nearest")
    return np.asarray(values, np.float32)


def patches_of(margins: Margins, grid: Grid) -> list[Patches]:
    """The border of a margin's body, level by level finer: an octahedron's eight sides blown up to
    it, then four parts of each again and again."""
    largest_mm = max(
        margins.right, margins.left, margins.anterior,
        margins.posterior, margins.inferior, margins.superior,
    )  # fmt: skip
    corners = np.array([np.diag(signs) for signs in product((-1.0, 1.0), repeat=3)])
    levels = [_patches(corners, margins, grid)]
    while levels[-1].radii_mm.max() > np.sqrt(2 * PATCH_ERROR_MM * largest_mm):
        corners = _split(corners)
        levels.append(_patches(corners, margins, grid))
    return levels


def _split(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    ab, bc, ca = (_unit(x + y) for x, y in ((a, b), (b, c), (c, a)))
    parts = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    return np.stack([np.stack(part, axis=1) for part in parts], axis=1).reshape(-1, 3, 3)


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))


def _patches(corners: NDArray[np.float64], margins: Margins, grid: Grid) -> Patches:
    """Patches of three directions each, (n, 3, 3) unit vectors in the patient (LPS)."""
    middles = _on_border(_unit(corners.sum(axis=1)), margins)
    away = _on_border(corners, margins) - middles[:, None]
    radii = np.linalg.norm(away, axis=-1).max(axis=1)
    return Patches(middles @ grid.axis_directions.T, radii)


def _on_border(directions: NDArray[np.float64], margins: Margins) -> NDArray[np.float64]:
    towards = np.array([margins.left, margins.posterior, margins.superior])
    away = np.array([margins.right, margins.anterior, margins.inferior])
    return np.asarray(np.where(directions > 0, directions * towards, directions * away))
