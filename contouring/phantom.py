"""An analytic head-and-neck phantom whose true contours are known in closed form.

Coordinates are patient millimetres (LPS) about the middle of the phantom. Every structure lies
in a capsule, the region down to `CAPSULE_MM` outside its border, in which the Hounsfield units
carry the structure's own signed field f (mm, positive inside):

    HU = middle of the structure's band + HU_PER_MM * clip(f, -FIELD_LIMIT_MM, FIELD_LIMIT_MM)

The bands are disjoint and above all plain tissue, so the `commissioning` model reads every field
back from single voxels, and what a contour then differs from the truth is the pipeline's doing.
int16 costs at most 0.5 / HU_PER_MM = 0.02 mm.

Limitation: resampling to another grid mixes a capsule's rim with the tissue around it and so
passes through every lower band. Bands therefore rise as structures get smaller: the false crumbs
of a structure come from the thin rims of smaller ones, and keeping the largest components drops
them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from contouring.phantom_shapes import (
    Box,
    Ellipsoid,
    FloatArray,
    HollowTube,
    Rod,
    Separate,
    Shape,
    Shell,
    Sphere,
    Torus,
    rotation,
)

# The field is kept exactly as far as three in-plane voxels from the border.
FIELD_LIMIT_MM = 4.0
# Keeps the quantisation to whole HU within 0.02 mm and eleven bands within 12-bit CT numbers.
HU_PER_MM = 25.0
# At least two voxel diagonals (2.86 mm) of the default scan lie outside each border.
CAPSULE_MM = 8.0
# The lowest band begins above the phantom's bone; 24 HU keep neighbouring bands apart.
FIRST_BAND_MIDDLE_HU = 710.0
BAND_STEP_HU = 2.0 * FIELD_LIMIT_MM * HU_PER_MM + 24.0

AIR_HU = -1000.0
SOFT_TISSUE_HU = 40.0
BONE_HU = 500.0
# The skull: a ring between two parts of the body's outline, above the neck.
SKULL_RADII = (0.88, 0.94)
SKULL_FROM_Z_MM = 15.0


@dataclass(frozen=True)
class PhantomStructure:
    """A named solid; `label` counts from 1 and sets the band and the model's output channel."""

    label: int
    name: str
    shape: Shape
    description: str
    colour_rgb: tuple[int, int, int]

    @property
    def components(self) -> int:
        """How many separate parts it has."""
        return len(self.shape.parts) if isinstance(self.shape, Separate) else 1

    @property
    def band_middle_hu(self) -> float:
        """HU on the structure's border."""
        return FIRST_BAND_MIDDLE_HU + (self.label - 1) * BAND_STEP_HU

    @property
    def band_hu(self) -> tuple[float, float]:
        """Lowest and highest HU inside the capsule."""
        half = FIELD_LIMIT_MM * HU_PER_MM
        return (self.band_middle_hu - half, self.band_middle_hu + half)

    def bounds(self) -> Box:
        """The box outside of which nothing is painted: it holds the capsule."""
        return self.shape.bounds().grown(CAPSULE_MM)

    def painted(self, hu: FloatArray, x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
        """`hu` with the encoded field inside the capsule."""
        field_mm = self.shape.field_mm(x, y, z)
        clipped = np.clip(field_mm, -FIELD_LIMIT_MM, FIELD_LIMIT_MM)
        encoded = self.band_middle_hu + HU_PER_MM * clipped
        return np.where(field_mm >= -CAPSULE_MM, encoded, hu)


@dataclass(frozen=True)
class PlainSolid:
    """A solid of one HU throughout."""

    shape: Shape
    solid_hu: float

    def bounds(self) -> Box:
        """The box outside of which nothing is painted."""
        return self.shape.bounds()

    def painted(self, hu: FloatArray, x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
        """`hu` with the solid's own where it lies."""
        return np.where(self.shape.field_mm(x, y, z) > 0.0, self.solid_hu, hu)


@dataclass(frozen=True)
class Body:
    """Elliptic outline along z: rows of `profile` are (z, half width in x, half depth in y), mm."""

    profile: tuple[tuple[float, float, float], ...]

    def radius(self, x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
        """Distance from the long axis in units of the outline: below 1 inside the body."""
        table = np.array(self.profile)
        half_width = np.interp(z, table[:, 0], table[:, 1])
        half_depth = np.interp(z, table[:, 0], table[:, 2])
        radius: FloatArray = np.sqrt((x / half_width) ** 2 + (y / half_depth) ** 2)
        return radius

    def hu(self, x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
        """Soft tissue, the skull's ring and air, at broadcastable coordinates in mm."""
        radius = self.radius(x, y, z)
        skull = (radius > SKULL_RADII[0]) & (radius < SKULL_RADII[1]) & (z > SKULL_FROM_Z_MM)
        tissue = np.where(skull, BONE_HU, SOFT_TISSUE_HU)
        return np.where(radius < 1.0, tissue, AIR_HU)


@dataclass(frozen=True)
class Phantom:
    """A body with structures; `plain` solids are there for looks alone."""

    body: Body
    structures: tuple[PhantomStructure, ...]
    plain: tuple[PlainSolid, ...] = ()

    @property
    def layers(self) -> tuple[PlainSolid | PhantomStructure, ...]:
        """What is painted over the body, in this order: nothing covers a structure."""
        return (*self.plain, *self.structures)

    def structure(self, name: str) -> PhantomStructure:
        """The structure of that name."""
        return next(found for found in self.structures if found.name == name)

    def hu(self, x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
        """HU before rounding, at broadcastable coordinates in mm."""
        hu = self.body.hu(x, y, z)
        for layer in self.layers:
            hu = layer.painted(hu, x, y, z)
        return hu


_CORD = Rod((10.0, 62.0, -106.0), (-14.0, 48.0, 100.0), 6.0)

# Largest first: see the limitation above. Left and right, front and back, head and feet differ
# everywhere, so that no mirrored or turned geometry can pass for the true one.
_STRUCTURES: tuple[tuple[str, Shape, str, tuple[int, int, int]], ...] = (
    ("Sphere30", Sphere((12.0, -20.0, 69.3), 30.0), "Ball of 30 mm radius", (230, 25, 75)),
    (
        "HollowTube",
        HollowTube((-5.0, -20.0, -70.4), 20.0, 10.0, 11.3),
        "Tube along z of 20 mm outer and 10 mm inner radius: a ring in every slice",
        (60, 180, 75),
    ),
    ("Cord", _CORD, "Tilted solid rod of 6 mm radius with round ends", (255, 225, 25)),
    (
        "Ellipsoid",
        Ellipsoid((36.0, -15.0, -6.7), (28.0, 16.0, 12.0), rotation((1.0, -2.0, 0.5), 35.0)),
        "Tilted ellipsoid with semi-axes of 28, 16 and 12 mm",
        (0, 130, 200),
    ),
    (
        "Shell",
        Shell((50.0, -14.0, -75.8), 18.0, 12.0),
        "Hollow ball of 18 mm outer and 12 mm inner radius",
        (245, 130, 48),
    ),
    (
        "Torus",
        Torus((-45.0, -15.0, -5.4), (1.0, 0.0, 0.0), 18.0, 6.0),
        "Upright ring: radius 18 mm, section radius 6 mm, axis from right to left",
        (145, 30, 180),
    ),
    (
        "Glands",
        Separate(
            (
                Ellipsoid((45.0, 42.0, 61.2), (12.0, 8.0, 16.0), rotation((0.0, 1.0, 0.0), 12.0)),
                Ellipsoid((-48.0, 40.0, 55.1), (10.0, 8.0, 13.0), rotation((1.0, 0.0, 0.0), -9.0)),
            )
        ),
        "Two ellipsoids, the larger on the left: one structure in two parts",
        (70, 240, 240),
    ),
    (
        "Tube10",
        Rod((30.0, 47.0, -56.0), (64.0, 42.0, -2.0), 5.0),
        "Tilted solid tube of 10 mm diameter with round ends",
        (240, 50, 230),
    ),
    (
        "Nodes",
        Separate((Sphere((-52.0, 10.0, -56.3), 8.0), Sphere((-56.0, 14.0, -88.4), 6.0))),
        "Two balls of 8 and 6 mm radius, one above the other: one structure in two parts",
        (210, 245, 60),
    ),
    ("Sphere8", Sphere((-62.0, -10.0, 80.4), 4.0), "Ball of 8 mm diameter", (250, 190, 212)),
    ("Nodule5", Sphere((68.0, -8.0, 72.1), 2.5), "Ball of 5 mm diameter", (0, 128, 128)),
)

HEAD_AND_NECK = Phantom(
    body=Body(
        (
            (-120.0, 190.0, 95.0),
            (-104.0, 150.0, 90.0),
            (-92.0, 88.0, 84.0),
            (-40.0, 88.0, 84.0),
            (-15.0, 95.0, 108.0),
            (90.0, 95.0, 108.0),
            (115.0, 70.0, 84.0),
            (135.0, 20.0, 24.0),
        )
    ),
    structures=tuple(
        PhantomStructure(label, name, shape, description, colour)
        for label, (name, shape, description, colour) in enumerate(_STRUCTURES, start=1)
    ),
    plain=(
        PlainSolid(Rod(_CORD.start_mm, _CORD.end_mm, 22.0), BONE_HU),
        PlainSolid(Rod((0.0, -66.0, -140.0), (2.0, -76.0, 10.0), 9.0), AIR_HU),
    ),
)
