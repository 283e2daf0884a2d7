"""What to do with the files in a planning system, and what to compare there."""

from __future__ import annotations

from collections.abc import Mapping

from contouring.commission.expectations import Expectation
from contouring.commission.figures import chip, place, volume
from contouring.commission.markup import Markup, element, items, joined, paragraphs, table
from contouring.phantom import Phantom, PhantomStructure

STEPS = (
    "Use a database that is not clinical, if there is one. All positions belong to one patient, "
    "Phantom^Oarlock (OARLOCK-PHANTOM); each is a study with a frame of reference of its own.",
    "Import the CT series of one position, the folder POSITION/ct, and then the structure set of "
    "your planning system's template, POSITION/TEMPLATE.rtstruct.dcm. Use the way by which "
    "patients' files will come, for that way is tested with it. Note every message.",
    "The structure set must attach itself to the series without a question or a registration.",
    "Compare the patient position that is shown, the letters R, L, A, P, H and F and the pictures "
    "with those printed here. A mirrored display with right letters is a fault as well.",
    "Compare names and colours with the table of measurements.",
    "Compare volumes. Systems differ in how they count the first and the last slice and in the "
    "grid they fill: what they show lies near the contoured volume or the solid's own. Agree on a "
    "tolerance beforehand.",
    "Compare places: measure each structure's centre or its outermost points. Numbers here are "
    "DICOM patient coordinates in mm: x grows to the patient's left, y to the back, z to the head. "
    "Many systems show centimetres, other axes or another origin; differences between two "
    "structures do not depend on the origin.",
    "Where a description speaks of a ring or of something hollow, scroll through its slices: the "
    "hole must be empty. A filled hole also shows as a volume that is far too large.",
    "The structure sets say that they come from a program and were not reviewed, and they are not "
    "approved. The planning system must show or keep that.",
)


def import_page(phantom: Phantom, expectations: Mapping[str, Expectation]) -> Markup:
    """Steps, and the structures as they truly are."""
    head = (
        "Structure",
        "Contoured / solid (cm³)",
        "What it is",
        "x from to (mm)",
        "y from to (mm)",
        "z from to (mm)",
    )
    rows = [_row(structure, expectations[structure.name]) for structure in phantom.structures]
    return element(
        "section",
        element("h2", "Import into a planning system"),
        items(STEPS, "ol"),
        element("h3", "The structures as they truly are"),
        paragraphs(
            "They lie in the same place of the patient in every position. No two sides are alike: "
            "left and right, front and back, head and feet cannot be mistaken for each other. "
            "Contoured: what perfect contours on these slices hold. Solid: with what lies between "
            "slices. Centres stand in the form of each position."
        ),
        table(head, rows, "numbers structures"),
    )


def _row(structure: PhantomStructure, expected: Expectation) -> list[str]:
    sides = zip(place(expected.low_mm), place(expected.high_mm), strict=True)
    volumes = f"{volume(expected.contoured_cm3)} / {volume(expected.solid_cm3)}"
    name = joined([chip(structure.colour_rgb), structure.name])
    return [name, volumes, structure.description, *(f"{low} to {high}" for low, high in sides)]
