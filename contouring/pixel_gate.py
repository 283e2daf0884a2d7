"""What only the pixels of a whole scan show: whether they are CT numbers, and what is cut off."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from contouring.grid import Grid
from contouring.input_policies import refusal, warning
from contouring.notices import Notice
from contouring.slice_headers import name_place

SAMPLES = 2_000_000  # voxels looked at for their values; enough for fractions of a thousandth
# A narrower view (an inner ear, a tooth) may hold neither air nor soft tissue.
JUDGED_WIDTH_MM = 100.0
SOFT_TISSUE_HU = (-200, 300)  # fat, water, muscle and enhanced vessels
LEAST_SOFT_TISSUE = 0.01  # of all voxels in view
NO_AIR_HU = -500  # neither air nor lung lies above
USUAL_INTERCEPT_HU = -1024  # without it soft tissue lies where dense bone should
MOST_SHIFTED = 0.1  # of all voxels in view: dense bone fills a few hundredths of them
DENSE_HU = 600
LEAST_SHIFTED_OF_DENSE = 0.7  # bone and metal spread far; soft tissue makes a peak
SATURATED_HU = 3071  # where 12 bits end: metal, or beyond
METAL_CM3 = 0.5

BLOCK_MM = 4.0  # a couch's shell is thinner, and vanishes among the air about it
BODY_HU = -300
LEAST_BODY_CM2 = 20.0
LEAST_CONTACT_MM = 20.0
SLICES_LOOKED_AT = 100


def check_hu(hu: NDArray[np.int16], in_view: NDArray[np.bool_], grid: Grid) -> list[Notice]:
    """Warnings of a whole scan; `SeriesRefusedError` where its values are no CT numbers.

    `hu`: (slices, rows, columns) int16, Hounsfield units; `in_view`: (rows, columns) bool.
    """
    stride = max(1, round((hu.size / SAMPLES) ** 0.5))
    values = hu[:, ::stride, ::stride][:, in_view[::stride, ::stride]]
    if not values.size or values.min() == values.max():
        raise refusal("not-ct-numbers", "All voxels of the scan have one value.")
    notices = []
    if min(axis[-1] for axis in grid.axes_mm[1:]) >= JUDGED_WIDTH_MM:
        notices += _check_peaks(values)
    metal_cm3 = float((values >= SATURATED_HU).mean()) * _volume_cm3(hu, in_view, grid)
    if metal_cm3 > METAL_CM3:
        text = f"{metal_cm3:.1f} cm³ are at or above {SATURATED_HU} HU: metal and its streaks."
        notices.append(warning("metal", text))
    return [*notices, *_find_cut_body(hu, in_view, grid)]


def _check_peaks(values: NDArray[np.int16]) -> list[Notice]:
    low, high = SOFT_TISSUE_HU
    soft = float(((values > low) & (values < high)).mean())
    shifted = float(
        ((values > low - USUAL_INTERCEPT_HU) & (values < high - USUAL_INTERCEPT_HU)).mean()
    )
    dense = float((values > DENSE_HU).mean())
    has_air = bool((values < NO_AIR_HU).any())
    if soft < LEAST_SOFT_TISSUE:
        raise refusal(
            "not-ct-numbers",
            f"Only {soft:.1%} of the voxels are between {low} and {high} HU, where soft tissue "
            "lies: the values are no CT numbers.",
        )
    if not has_air and shifted > max(MOST_SHIFTED, LEAST_SHIFTED_OF_DENSE * dense):
        raise refusal(
            "not-ct-numbers",
            f"{shifted:.0%} of the voxels are {-USUAL_INTERCEPT_HU} HU above soft tissue and none "
            f"are below {NO_AIR_HU} HU: the rescale intercept seems to be missing.",
        )
    if not has_air:
        return [warning("no-air", f"No voxel is below {NO_AIR_HU} HU: there is no air in view.")]
    return []


def _volume_cm3(hu: NDArray[np.int16], in_view: NDArray[np.bool_], grid: Grid) -> float:
    return float(np.prod(grid.spacing_zyx_mm)) * len(hu) * int(in_view.sum()) / 1000.0


def _find_cut_body(hu: NDArray[np.int16], in_view: NDArray[np.bool_], grid: Grid) -> list[Notice]:
    """Whether the body reaches the edge of what was imaged, in blocks of `BLOCK_MM`."""
    step = max(1, len(hu) // SLICES_LOOKED_AT)
    sides = [max(1, round(BLOCK_MM / spacing)) for spacing in grid.pixel_spacing_mm]
    rows, columns = (n // side for n, side in zip(in_view.shape, sides, strict=True))
    blocks = (rows, sides[0], columns, sides[1])
    cut = (slice(rows * sides[0]), slice(columns * sides[1]))
    threshold = BODY_HU * sides[0] * sides[1]
    view = in_view[cut].reshape(blocks).all(axis=(1, 3))
    edge = view & ~ndimage.binary_erosion(view)
    block_mm = [side * mm for side, mm in zip(sides, grid.pixel_spacing_mm, strict=True)]
    touched = [
        index
        for index in range(0, len(hu), step)
        if _touches(_block_sums(hu[index][cut], sides) > threshold, edge, block_mm)
    ]
    if not touched:
        return []
    place = name_place(grid.positions_mm[touched[0]], grid.normal)
    text = (
        f"The body reaches the edge of the field of view in {len(touched)} of "
        f"{len(range(0, len(hu), step))} slices looked at, first at {place} mm: what lies beyond "
        "was not imaged."
    )
    return [warning("truncated-field-of-view", text)]


def _block_sums(hu: NDArray[np.int16], sides: list[int]) -> NDArray[np.int32]:
    """(rows, columns) of blocks; strided sums are five times as quick as a mean over two axes."""
    down, across = sides
    parts = [hu[a::down, b::across] for a in range(down) for b in range(across)]
    return np.asarray(np.sum(parts, axis=0, dtype=np.int32))


def _touches(body: NDArray[np.bool_], edge: NDArray[np.bool_], block_mm: list[float]) -> bool:
    parts, count = ndimage.label(body)
    areas_cm2 = np.bincount(parts.ravel(), minlength=count + 1) * np.prod(block_mm) / 100.0
    contacts_mm = np.bincount(parts[edge], minlength=count + 1) * min(block_mm)
    is_cut = (areas_cm2 > LEAST_BODY_CM2) & (contacts_mm > LEAST_CONTACT_MM)
    return bool(is_cut[1:].any())
