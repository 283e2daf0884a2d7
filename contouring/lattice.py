"""The samples of a CT that a network sees, and interpolation between them and the CT.

A lattice lies along the CT's own axes, permuted and flipped so that its array runs towards the
patient's head, back and left (LPS). Networks thus see one orientation, whatever the patient
position. Because the axes are shared, interpolation is separable: one small matrix per axis, built
from true slice positions, so that uneven spacing needs no special case.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from contouring.grid import Grid

# Along the lattice's array axes (z, y, x): head, back, left, as LPS unit vectors.
CANONICAL_DIRECTIONS = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
SAME_POSITION_MM = 1e-6
Value = TypeVar("Value", bound=np.generic)


@dataclass(frozen=True)
class BoxMm:
    """A box along a CT's axes: (low, high) per CT axis, in the coordinates of `Grid.axes_mm`."""

    low: tuple[float, float, float]
    high: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Lattice:
    """Sample positions along the three CT axes.

    `axes_mm`: per CT axis (slices, rows, columns), ascending coordinates; `order`: the CT axis
    that each canonical array axis (z, y, x) follows; `flipped`: per canonical axis, whether it runs
    against its CT axis.
    """

    axes_mm: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
    order: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]

    @property
    def shape_zyx(self) -> tuple[int, int, int]:
        """Shape of a canonical array on this lattice."""
        z, y, x = (len(self.axes_mm[axis]) for axis in self.order)
        return z, y, x

    def to_canonical(self, along_ct: NDArray[Value]) -> NDArray[Value]:
        """A view of an array along CT axes, as (z, y, x) towards head, back and left."""
        turned = along_ct.transpose(self.order)
        return turned[tuple(slice(None, None, -1 if f else 1) for f in self.flipped)]

    def to_ct_axes(self, canonical: NDArray[Value]) -> NDArray[Value]:
        """The inverse of `to_canonical`."""
        unflipped = canonical[tuple(slice(None, None, -1 if f else 1) for f in self.flipped)]
        return unflipped.transpose(np.argsort(self.order))


def canonical_order(grid: Grid) -> tuple[tuple[int, int, int], tuple[bool, bool, bool]]:
    """The CT axis nearest to each canonical axis, and whether it points the other way."""
    cosines = CANONICAL_DIRECTIONS @ grid.axis_directions.T  # (canonical, CT axis)
    order = max(permutations(range(3)), key=lambda p: sum(abs(cosines[c, p[c]]) for c in range(3)))
    z, y, x = (bool(cosines[c, order[c]] < 0) for c in range(3))
    return (order[0], order[1], order[2]), (z, y, x)


def scan_box(grid: Grid) -> BoxMm:
    """The whole scan: from the first to the last voxel centre of every axis."""
    low, high = zip(*((float(a[0]), float(a[-1])) for a in grid.axes_mm), strict=True)
    return BoxMm(low, high)


def build_lattice(
    grid: Grid,
    spacing_zyx_mm: tuple[float | None, float | None, float | None] | None = None,
    box: BoxMm | None = None,
    minimum_shape_zyx: tuple[int, int, int] = (1, 1, 1),
) -> Lattice:
    """Samples `spacing_zyx_mm` (canonical axes) apart that cover `box`, centred on it.

    Without a spacing, of one axis or of all, the CT's own voxel centres in the box are used. Sides
    shorter than `minimum_shape_zyx` grow into the scan where it is large enough, and no further.
    """
    order, flipped = canonical_order(grid)
    box = box or scan_box(grid)
    axes: list[NDArray[np.float64]] = [np.empty(0)] * 3
    for canonical, ct_axis in enumerate(order):
        positions = grid.axes_mm[ct_axis]
        sides = box.low[ct_axis], box.high[ct_axis]
        minimum = minimum_shape_zyx[canonical]
        spacing_mm = None if spacing_zyx_mm is None else spacing_zyx_mm[canonical]
        if spacing_mm is None:
            axes[ct_axis] = _own_positions(positions, sides, minimum)
        else:
            axes[ct_axis] = _even_positions(
                (float(positions[0]), float(positions[-1])),
                sides,
                spacing_mm,
                minimum,
            )
    return Lattice((axes[0], axes[1], axes[2]), order, flipped)


def kept_where_near(
    grid: Grid,
    spacing_zyx_mm: tuple[float | None, float | None, float | None],
    own_within: float,
) -> tuple[float | None, float | None, float | None]:
    """`spacing_zyx_mm`, but None where the CT's own differs by a factor of at most `own_within`.

    Samples between voxels that lie hardly wider or closer blur the image and gain nothing.
    """
    order, _ = canonical_order(grid)
    z, y, x = (
        None if asked is None or is_near(_own_spacing_mm(grid, axis), asked, own_within) else asked
        for axis, asked in zip(order, spacing_zyx_mm, strict=True)
    )
    return z, y, x


def is_near(own_mm: float, asked_mm: float, factor: float) -> bool:
    """Whether one is at most `factor` times the other, whichever is larger."""
    return max(own_mm, asked_mm) <= factor * min(own_mm, asked_mm) * (1 + SAME_POSITION_MM)


def _own_spacing_mm(grid: Grid, axis: int) -> float:
    positions = grid.axes_mm[axis]
    return float(np.median(np.diff(positions))) if len(positions) > 1 else 0.0


def spacing_for_shape(grid: Grid, shape_zyx: tuple[int, int, int]) -> tuple[float, float, float]:
    """The canonical spacing (mm) at which the whole scan takes `shape_zyx` samples."""
    order, _ = canonical_order(grid)
    z, y, x = (
        max(float(np.ptp(grid.axes_mm[axis])), SAME_POSITION_MM) / max(samples - 1, 1)
        for axis, samples in zip(order, shape_zyx, strict=True)
    )
    return z, y, x


def _own_positions(
    positions: NDArray[np.float64], sides: tuple[float, float], minimum: int
) -> NDArray[np.float64]:
    first = int(np.searchsorted(positions, sides[0] - SAME_POSITION_MM))
    last = int(np.searchsorted(positions, sides[1] + SAME_POSITION_MM))
    count = max(last - first, min(minimum, len(positions)))
    first = max(first - (count - (last - first)) // 2, 0)
    last = min(first + count, len(positions))
    return positions[last - count : last]


def _even_positions(
    scan: tuple[float, float], sides: tuple[float, float], spacing_mm: float, minimum: int
) -> NDArray[np.float64]:
    samples = int(np.ceil((sides[1] - sides[0]) / spacing_mm - SAME_POSITION_MM)) + 1
    fitting = int(np.floor((scan[1] - scan[0]) / spacing_mm + SAME_POSITION_MM)) + 1
    samples = max(samples, min(minimum, fitting))
    length = (samples - 1) * spacing_mm
    start = (sides[0] + sides[1] - length) / 2
    # Slice positions carry rounding errors: a lattice as long as the scan still fits it.
    if length <= scan[1] - scan[0] + SAME_POSITION_MM * spacing_mm:
        start = min(max(start, scan[0]), scan[1] - length)
    return np.asarray(start + spacing_mm * np.arange(samples), np.float64)


def interpolation_matrix(
    source_mm: NDArray[np.float64], target_mm: NDArray[np.float64]
) -> NDArray[np.float32]:
    """(targets, sources) weights of linear interpolation; rows sum to one.

    Beyond the ends the end value holds.
    """
    if len(source_mm) == 1:
        return np.ones((len(target_mm), 1), np.float32)
    targets = np.clip(target_mm, source_mm[0], source_mm[-1])
    left = np.clip(np.searchsorted(source_mm, targets, side="right") - 1, 0, len(source_mm) - 2)
    fraction = (targets - source_mm[left]) / (source_mm[left + 1] - source_mm[left])
    matrix = np.zeros((len(targets), len(source_mm)), np.float32)
    rows = np.arange(len(targets))
    matrix[rows, left] = 1 - fraction
    matrix[rows, left + 1] = fraction
    return matrix


def cubic_matrix(
    source_mm: NDArray[np.float64], target_mm: NDArray[np.float64]
) -> NDArray[np.float32]:
    """(targets, sources) weights of cubic interpolation; rows sum to one.

    Exact for parabolas, where chords of linear interpolation cut curved borders short. Between
    even sources it is the cubic convolution of Keys, IEEE Transactions on Acoustics, Speech and
    Signal Processing 29:1153-1160, 1981, equation 15; between uneven ones the slope at a source is
    still that of the parabola through it and its neighbours. The first and the last step end with
    the slope of their chord; beyond the ends the end value holds.
    """
    if len(source_mm) < 2:
        return np.ones((len(target_mm), len(source_mm)), np.float32)
    targets = np.clip(target_mm, source_mm[0], source_mm[-1])
    left = np.clip(np.searchsorted(source_mm, targets, side="right") - 1, 0, len(source_mm) - 2)
    gap = source_mm[left + 1] - source_mm[left]
    t = (targets - source_mm[left]) / gap
    slopes = _slope_matrix(source_mm)
    matrix = (gap * (t**3 - 2 * t**2 + t))[:, None] * slopes[left]
    matrix += (gap * (t**3 - t**2))[:, None] * slopes[left + 1]
    rows = np.arange(len(targets))
    matrix[rows, left] += 2 * t**3 - 3 * t**2 + 1
    matrix[rows, left + 1] += 3 * t**2 - 2 * t**3
    return np.asarray(matrix, np.float32)


def _slope_matrix(source_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """(sources, sources): the slope at each source, of its parabola or, at the ends, its chord."""
    count = len(source_mm)
    gaps = np.diff(source_mm)
    before, after = gaps[:-1], gaps[1:]
    inner = np.arange(1, count - 1)
    slopes = np.zeros((count, count))
    slopes[inner, inner - 1] = -after / (before * (before + after))
    slopes[inner, inner] = (after - before) / (before * after)
    slopes[inner, inner + 1] = before / (after * (before + after))
    slopes[0, :2] = -1 / gaps[0], 1 / gaps[0]
    slopes[-1, -2:] = -1 / gaps[-1], 1 / gaps[-1]
    return slopes


def averaging_matrix(
    source_mm: NDArray[np.float64], target_mm: NDArray[np.float64]
) -> NDArray[np.float32]:
    """(targets, sources) weights for targets that are wider apart than the sources.

    Each averages over a triangle of the targets' own spacing, so that a coarse lattice sees no
    aliased noise; rows sum to one. With equal spacing this is linear interpolation, and so it is
    for targets in a gap that is wider than their spacing.
    """
    step_mm = float(np.diff(target_mm).min()) if len(target_mm) > 1 else 0.0
    gaps = np.diff(source_mm)
    if len(gaps) == 0 or step_mm <= float(np.median(gaps)):
        return interpolation_matrix(source_mm, target_mm)
    shares = (np.append(gaps[0], gaps) + np.append(gaps, gaps[-1])) / 2
    targets = np.clip(target_mm, source_mm[0], source_mm[-1])
    distance = np.abs(source_mm[None, :] - targets[:, None])
    weights = np.maximum(1 - distance / step_mm, 0) * shares
    in_gap = gaps[np.clip(np.searchsorted(source_mm, targets) - 1, 0, len(gaps) - 1)] >= step_mm
    weights[in_gap] = interpolation_matrix(source_mm, targets[in_gap])
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


def resample(hu: NDArray[np.int16], grid: Grid, lattice: Lattice) -> NDArray[np.float32]:
    """CT values on the lattice, canonical (z, y, x) float32 Hounsfield units.

    `hu`: (slices, rows, columns) int16 on `grid`.
    """
    return Sampler(hu, grid, lattice).planes(0, lattice.shape_zyx[0])


class Sampler:
    """CT values on a lattice, as many of its planes at a time as are wanted.

    `hu`: (slices, rows, columns) int16 on `grid`.
    """

    def __init__(self, hu: NDArray[np.int16], grid: Grid, lattice: Lattice) -> None:
        self._hu, self._lattice = hu, lattice
        self._weights = [
            _axis_weights(source, target)
            for source, target in zip(grid.axes_mm, lattice.axes_mm, strict=True)
        ]

    def planes(self, start: int, stop: int) -> NDArray[np.float32]:
        """Canonical (z, y, x) float32 Hounsfield units of the lattice's planes along z."""
        along = list(self._weights)
        axis, length = self._lattice.order[0], self._lattice.shape_zyx[0]
        wanted = slice(length - stop, length - start) if self._lattice.flipped[0] else None
        along[axis] = along[axis].of_targets(wanted or slice(start, stop))
        slices, rows, columns = along
        planes = [
            columns.along_last(rows.along_first(plane[rows.sources, columns.sources]))
            for plane in self._hu[slices.sources]
        ]
        return self._lattice.to_canonical(slices.along_first(np.stack(planes)))


@dataclass(frozen=True, eq=False)
class _AxisWeights:
    """Weights over the sources in use; None where targets are just those sources."""

    sources: slice
    matrix: sparse.csr_array | None

    def of_targets(self, wanted: slice) -> _AxisWeights:
        """Of some of the targets, with the sources that they need."""
        if self.matrix is None:
            first = self.sources.start
            return _AxisWeights(slice(first + wanted.start, first + wanted.stop), None)
        return _of_used(self.matrix[wanted], self.sources.start)

    def along_first(self, values: NDArray[np.number]) -> NDArray[np.float32]:
        if self.matrix is None:
            return values.astype(np.float32, copy=False)
        flat = values.reshape(len(values), -1).astype(np.float32, copy=False)
        return np.asarray((self.matrix @ flat).reshape(-1, *values.shape[1:]), np.float32)

    def along_last(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        return values if self.matrix is None else self.along_first(values.T).T


def _axis_weights(source_mm: NDArray[np.float64], target_mm: NDArray[np.float64]) -> _AxisWeights:
    first = int(np.searchsorted(source_mm, target_mm[0] - SAME_POSITION_MM))
    same = source_mm[first : first + len(target_mm)]
    if len(same) == len(target_mm) and np.allclose(same, target_mm, rtol=0, atol=SAME_POSITION_MM):
        return _AxisWeights(slice(first, first + len(same)), None)
    return _of_used(sparse.csr_array(averaging_matrix(source_mm, target_mm)), 0)


def _of_used(matrix: sparse.csr_array, first: int) -> _AxisWeights:
    """`matrix`: (targets, sources), the sources counted from `first`."""
    used = slice(int(matrix.indices.min()), int(matrix.indices.max()) + 1)
    return _AxisWeights(slice(first + used.start, first + used.stop), matrix[:, used])
