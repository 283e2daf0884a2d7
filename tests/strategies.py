"""What hypothesis draws: solids of known size, and scans just around them in any orientation.

Lengths are patient millimetres (LPS). A scan has its first and last voxel a little outside of the
solid, so that an example takes a fraction of a second.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st

from contouring.phantom import HEAD_AND_NECK, Body, Phantom
from contouring.phantom_scan import PATIENT_POSITIONS, Scan
from contouring.phantom_shapes import (
    Ellipsoid,
    HollowTube,
    Matrix,
    Rod,
    Shape,
    Shell,
    Sphere,
    Torus,
    Vector,
    rotation,
)

TISSUE_MM = 10.0  # of the body around a solid: its capsule takes 8
AIR_MM = 4.0  # around the body
LARGEST_TURN_DEGREES = 25  # of the scanner in the patient
LEAST_SLICES = 12


@dataclass(frozen=True)
class Scene:
    """A solid and a scan of it; `name` is the structure that `commissioning` takes it for."""

    shape: Shape
    name: str
    scan: Scan
    shuffled: bool

    @property
    def phantom(self) -> Phantom:
        """The solid in a body with a little air around."""
        low, high = (np.array(end) for end in self._bounds())
        structure = replace(HEAD_AND_NECK.structure(self.name), shape=self.shape)
        half_x, half_y = np.abs([low, high]).max(axis=0)[:2] * np.sqrt(2) + TISSUE_MM
        return Phantom(Body(((0.0, float(half_x), float(half_y)),)), (structure,))

    def _bounds(self) -> tuple[Vector, Vector]:
        box = self.shape.bounds()
        return box.low_mm, box.high_mm


def lengths(low_mm: float, high_mm: float) -> st.SearchStrategy[float]:
    """Hundredths of a millimetre: spread evenly, where `st.floats` dwells on its ends."""
    return st.integers(round(low_mm * 100), round(high_mm * 100)).map(lambda n: n / 100)


def directions() -> st.SearchStrategy[Vector]:
    """Unit vectors."""
    angles = st.tuples(st.integers(0, 180), st.integers(0, 359))

    def vector(polar_and_azimuth: tuple[float, float]) -> Vector:
        polar, azimuth = np.deg2rad(polar_and_azimuth)
        x, y = np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth)
        return (float(x), float(y), float(np.cos(polar)))

    return angles.map(vector)


def turns(largest_degrees: int) -> st.SearchStrategy[Matrix]:
    """Rotations about any axis."""
    return st.builds(rotation, directions(), st.integers(0, largest_degrees))


def places() -> st.SearchStrategy[Vector]:
    """Points off every voxel centre, plane and axis."""
    ends = lengths(-4.0, 4.0)
    return st.tuples(ends, ends, ends)


def large_solids() -> st.SearchStrategy[Shape]:
    """Organs: 24 mm across at least, without thin walls."""
    semi_axis = lengths(12.0, 26.0)
    return st.one_of(
        st.builds(Sphere, places(), lengths(15.0, 30.0)),
        st.builds(Ellipsoid, places(), st.tuples(semi_axis, semi_axis, semi_axis), turns(180)),
        st.builds(HollowTube, places(), st.just(20.0), st.just(10.0), lengths(8.0, 16.0)),
        st.builds(Torus, places(), directions(), st.just(18.0), lengths(6.0, 8.0)),
    )


def thin_solids() -> st.SearchStrategy[Shape]:
    """Tubes of 10 mm diameter and shells of a wall of 6 mm."""

    def rod(start: Vector, direction: Vector, length: float) -> Rod:
        x, y, z = (float(s + length * d) for s, d in zip(start, direction, strict=True))
        return Rod(start, (x, y, z), 5.0)

    return st.one_of(
        st.builds(rod, places(), directions(), lengths(20.0, 50.0)),
        st.builds(lambda place, inner: Shell(place, inner + 6.0, inner), places(), lengths(8, 14)),
    )


def balls(diameter_mm: float) -> st.SearchStrategy[Shape]:
    """Balls of one size."""
    return st.builds(lambda place: Sphere(place, diameter_mm / 2.0), places())


@st.composite
def scenes(draw: st.DrawFn, solids: st.SearchStrategy[Shape], name: str) -> Scene:
    """A solid in any patient position, obliqueness, voxel size and file order, gaps even or not."""
    shape = draw(solids)
    turn = draw(st.one_of(st.just(rotation((1.0, 0.0, 0.0), 0.0)), turns(LARGEST_TURN_DEGREES)))
    upright = Scan(draw(st.sampled_from(PATIENT_POSITIONS)), obliqueness=turn)
    box = shape.bounds().grown(TISSUE_MM + AIR_MM)
    axes = np.stack([upright.row_direction, upright.column_direction, upright.normal])
    middle = (np.array(box.low_mm) + box.high_mm) / 2.0
    reach = np.abs((box.corners_mm() - middle) @ axes.T).max(axis=0)
    spacing = draw(st.tuples(lengths(0.90, 1.06), lengths(0.90, 1.06)))
    # Up to half a slice off, and never so that voxel centres lie on a border by symmetry.
    shift = np.add((0.13, 0.29, 0.41), draw(st.tuples(*[lengths(-1.25, 1.25)] * 3)))
    x, y, z = (float(m) for m in middle + shift)
    scan = replace(
        upright,
        rows=int(np.ceil(2.0 * reach[1] / spacing[0])) + draw(st.integers(0, 9)),
        columns=int(np.ceil(2.0 * reach[0] / spacing[1])) + draw(st.integers(0, 9)),
        row_spacing_mm=spacing[0],
        column_spacing_mm=spacing[1],
        slice_offsets_mm=_offsets(draw, float(reach[2])),
        centre_mm=(x, y, z),
    )
    return Scene(shape, name, scan, shuffled=draw(st.booleans()))


def _offsets(draw: st.DrawFn, reach_mm: float) -> tuple[float, ...]:
    """Slices over `reach_mm` either way, 2.5 mm apart or unevenly, no two gaps alike in a row.

    None is half as wide again as another: slices would seem to be missing.
    """
    count = max(int(np.ceil(2.0 * reach_mm / 2.5)), LEAST_SLICES)
    gaps = draw(
        st.one_of(
            st.just([2.5] * count), st.lists(lengths(2.2, 3.2), min_size=count, max_size=count)
        )
    )
    offsets = np.concatenate([[0.0], np.cumsum(np.round(gaps, 3))])
    return tuple((offsets - offsets[-1] / 2.0).tolist())
