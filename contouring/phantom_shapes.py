"""Solids with a signed field in closed form: the truth that phantom contours are held against.

Coordinates are patient millimetres (LPS). A field is positive inside, negative outside and zero
on the border; its gradient has length 1 on the border, so that near it the field is the distance.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Vector = tuple[float, float, float]
Matrix = tuple[Vector, Vector, Vector]

IDENTITY: Matrix = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


@dataclass(frozen=True)
class Box:
    """Axis-parallel box in patient millimetres (LPS)."""

    low_mm: Vector
    high_mm: Vector

    def grown(self, margin_mm: float) -> Box:
        """The box with `margin_mm` added on all six sides."""
        low, high = np.array(self.low_mm) - margin_mm, np.array(self.high_mm) + margin_mm
        return Box(vector(low), vector(high))

    def corners_mm(self) -> FloatArray:
        """The eight corners, (8, 3)."""
        ends = (self.low_mm, self.high_mm)
        return np.array(
            [(ends[i][0], ends[j][1], ends[k][2]) for i in (0, 1) for j in (0, 1) for k in (0, 1)]
        )


class Shape(Protocol):
    """A solid; `x`, `y` and `z` are broadcastable float64 arrays of patient millimetres."""

    def field_mm(self, x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
        """Signed field in mm at each point, of the broadcast shape."""
        ...

    def bounds(self) -> Box:
        """A box that holds the whole solid."""
        ...

    @property
    def thickness_mm(self) -> float:
        """The smallest diameter or wall."""
        ...


@dataclass(frozen=True)
class Sphere:
    """A ball."""

    centre_mm: Vector
    radius_mm: float

    def field_mm(self, x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
        """Exact distance to the surface."""
        return self.radius_mm - _norm(*_from(self.centre_mm, x, y, z))

    def bounds(self) -> Box:
        """A cube around the ball."""
        return _box_around(self.centre_mm, np.full(3, self.radius_mm))

    @property
    def thickness_mm(self) -> float:
        """The diameter."""
        return 2.0 * self.radius_mm


@dataclass(frozen=True)
class Shell:
    """A ball with a concentric spherical hole."""

    centre_mm: Vector
    outer_radius_mm: float
    inner_radius_mm: float

    def field_mm(self, x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
        """Exact distance to the nearer of the two surfaces."""
        radius = _norm(*_from(self.centre_mm, x, y, z))
        return np.minimum(self.outer_radius_mm - radius, radius - self.inner_radius_mm)

    def bounds(self) -> Box:
        """A cube around the outer surface."""
        return _box_around(self.centre_mm, np.full(3, self.outer_radius_mm))

    @property
    def thickness_mm(self) -> float:
        """The wall."""
        return self.outer_radius_mm - self.inner_radius_mm


@dataclass(frozen=True)
class Ellipsoid:
    """An ellipsoid; the rows of `axes` are the unit directions of its three semi-axes."""

    centre_mm: Vector
    semi_axes_mm: Vector
    axes: Matrix = IDENTITY

    def field_mm(self, x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
        """First-order distance q (1 - q) / |grad q^2 / 2|, with q = |p / semi-axes|.

        It is exact on the border in value and gradient; an ellipsoid's true distance has no
        closed form.
        """
        offset = _from(self.centre_mm, x, y, z)
        along = [_dot(axis, offset) for axis in self.axes]
        scaled = [a / s for a, s in zip(along, self.semi_axes_mm, strict=True)]
        steep = [a / s for a, s in zip(scaled, self.semi_axes_mm, strict=True)]
        q, slope = _norm(*scaled), _norm(*steep)
        # At the centre both vanish; their quotient is a length between the semi-axes.
        length = np.where(slope > 0.0, q / np.maximum(slope, 1e-300), min(self.semi_axes_mm))
        return length * (1.0 - q)

    def bounds(self) -> Box:
        """The tight box around the turned ellipsoid."""
        reach = np.array(self.axes) * np.array(self.semi_axes_mm)[:, np.newaxis]
        return _box_around(self.centre_mm, np.sqrt((reach**2).sum(axis=0)))

    @property
    def thickness_mm(self) -> float:
        """The shortest axis."""
        return 2.0 * min(self.semi_axes_mm)


@dataclass(frozen=True)
class Rod:
    """A straight solid rod with round ends, from `start_mm` to `end_mm` (centres of the ends)."""

    start_mm: Vector
    end_mm: Vector
    radius_mm: float

    def field_mm(self, x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
        """Exact distance to the surface."""
        offset = _from(self.start_mm, x, y, z)
        axis = np.array(self.end_mm) - np.array(self.start_mm)
        length = float(np.linalg.norm(axis))
        direction = vector(axis / length)
        along = np.clip(_dot(direction, offset), 0.0, length)
        rest = [o - along * d for o, d in zip(offset, direction, strict=True)]
        return self.radius_mm - _norm(*rest)

    def bounds(self) -> Box:
        """The box around both end balls."""
        ends = np.array([self.start_mm, self.end_mm])
        return Box(vector(ends.min(axis=0)), vector(ends.max(axis=0))).grown(self.radius_mm)

    @property
    def thickness_mm(self) -> float:
        """The diameter."""
        return 2.0 * self.radius_mm


@dataclass(frozen=True)
class HollowTube:
    """A tube along z, its wall rounded at both ends: a ring in every axial plane that cuts it.

    `half_length_mm` is that of the straight part; the round rims add half the wall's thickness.
    Sharp rims would have no one distance to hold a contour against.
    """

    centre_mm: Vector
    outer_radius_mm: float
    inner_radius_mm: float
    half_length_mm: float

    def field_mm(self, x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
        """Exact distance to the surface."""
        dx, dy, dz = _from(self.centre_mm, x, y, z)
        from_wall = _norm(dx, dy) - (self.outer_radius_mm + self.inner_radius_mm) / 2.0
        past_end = np.maximum(np.abs(dz) - self.half_length_mm, 0.0)
        return self._half_wall_mm - _norm(from_wall, past_end)

    def bounds(self) -> Box:
        """The box around the outer cylinder."""
        half_height = self.half_length_mm + self._half_wall_mm
        reach = (self.outer_radius_mm, self.outer_radius_mm, half_height)
        return _box_around(self.centre_mm, np.array(reach))

    @property
    def thickness_mm(self) -> float:
        """The wall."""
        return 2.0 * self._half_wall_mm

    @property
    def _half_wall_mm(self) -> float:
        return (self.outer_radius_mm - self.inner_radius_mm) / 2.0


@dataclass(frozen=True)
class Torus:
    """A ring of round section; `axis` is the unit normal of the ring's plane."""

    centre_mm: Vector
    axis: Vector
    ring_radius_mm: float
    section_radius_mm: float

    def field_mm(self, x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
        """Exact distance to the surface."""
        offset = _from(self.centre_mm, x, y, z)
        along = _dot(self.axis, offset)
        in_plane = _norm(*(o - along * a for o, a in zip(offset, self.axis, strict=True)))
        return self.section_radius_mm - _norm(in_plane - self.ring_radius_mm, along)

    def bounds(self) -> Box:
        """The tight box around the turned ring."""
        reach = self.ring_radius_mm * np.sqrt(1.0 - np.array(self.axis) ** 2)
        return _box_around(self.centre_mm, reach + self.section_radius_mm)

    @property
    def thickness_mm(self) -> float:
        """The diameter of the section."""
        return 2.0 * self.section_radius_mm


@dataclass(frozen=True)
class Separate:
    """Several solids apart from each other that are one structure."""

    parts: tuple[Shape, ...]

    def field_mm(self, x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
        """The field of the nearest part."""
        return reduce(np.maximum, [part.field_mm(x, y, z) for part in self.parts])

    def bounds(self) -> Box:
        """The box around all parts."""
        boxes = [part.bounds() for part in self.parts]
        low = np.min([box.low_mm for box in boxes], axis=0)
        high = np.max([box.high_mm for box in boxes], axis=0)
        return Box(vector(low), vector(high))

    @property
    def thickness_mm(self) -> float:
        """That of the thinnest part."""
        return min(part.thickness_mm for part in self.parts)


def vector(values: FloatArray) -> Vector:
    """Three numbers of an array as a plain tuple."""
    x, y, z = (float(value) for value in values)
    return (x, y, z)


def rotation(axis: Vector, degrees: float) -> Matrix:
    """The matrix that turns column vectors right-handedly about `axis` (Rodrigues' formula)."""
    x, y, z = np.array(axis) / np.linalg.norm(axis)
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    angle = np.deg2rad(degrees)
    turn = np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * cross @ cross
    return (vector(turn[0]), vector(turn[1]), vector(turn[2]))


def _from(
    centre: Vector, x: FloatArray, y: FloatArray, z: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    return (x - centre[0], y - centre[1], z - centre[2])


def _dot(direction: Vector, offset: tuple[FloatArray, FloatArray, FloatArray]) -> FloatArray:
    return direction[0] * offset[0] + direction[1] * offset[1] + direction[2] * offset[2]


def _norm(*parts: FloatArray) -> FloatArray:
    return np.sqrt(sum((part * part for part in parts[1:]), parts[0] * parts[0]))


def _box_around(centre: Vector, reach: FloatArray) -> Box:
    return Box(vector(np.array(centre) - reach), vector(np.array(centre) + reach))
