"""A commissioning small enough for every commit: two balls, two positions, two templates."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from contouring.commission.runs import CommissioningReport, Course, commission
from contouring.phantom import HEAD_AND_NECK, Body, Phantom
from contouring.phantom_shapes import Sphere
from contouring.provenance import Stamp
from contouring.recipe import Cascade
from contouring.template import HoleEncoding, Template, WantedStructure
from models.bundles import RELEASED, read_bundle
from models.cascades import open_cascade
from tests.phantoms import SMALL_SCAN

STAMP = Stamp(datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC), "0.1.0")
# Off the middle in every direction: no mirrored ball lies on another or on itself.
BALLS = {"Sphere30": Sphere((-13.0, 6.0, 3.3), 9.0), "Sphere8": Sphere((15.0, -9.0, -4.1), 4.0)}
COURSE = Course(
    phantom=Phantom(
        body=Body(((0.0, 31.0, 29.0),)),
        structures=tuple(
            replace(HEAD_AND_NECK.structure(name), shape=shape) for name, shape in BALLS.items()
        ),
    ),
    scans=(replace(SMALL_SCAN, position="HFS"), replace(SMALL_SCAN, position="FFDR")),
)
CLINIC = Template(
    "clinic",
    structures=(
        WantedStructure("Sphere8", "Small_L"),
        WantedStructure("Sphere30", "Large_R", (1, 2, 3)),
    ),
    holes=HoleEncoding.NESTED,
    checksum="c1" * 32,
)
TEMPLATES = (Template("generic", checksum="9e" * 32), CLINIC)


@pytest.fixture(scope="session")
def commissioning() -> Cascade:
    """The bundle whose fields on the phantom are known in closed form."""
    return open_cascade(read_bundle(RELEASED / "commissioning"), threads=2)


@pytest.fixture(scope="session")
def report(commissioning: Cascade, tmp_path_factory: pytest.TempPathFactory) -> CommissioningReport:
    """What a right installation gets."""
    folder = tmp_path_factory.mktemp("commission")
    return commission(folder, commissioning, TEMPLATES, STAMP, course=COURSE)
