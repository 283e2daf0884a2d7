"""What a template makes of the structures that were traced."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from contouring.composition import Account, Composition, check_sources, compose
from contouring.derivations import BodyOutline, DerivedStructure, Union
from contouring.errors import DerivationError
from contouring.grid import Grid
from contouring.notices import Notice
from contouring.outlines import Outline, TracedStructure
from contouring.structures import Status, Structure
from contouring.template import HoleEncoding, Template, WantedStructure

GRID = Grid(
    positions_mm=np.array([[0.0, 0.0, 3.0 * k] for k in range(6)]),
    row_direction=np.array([1.0, 0.0, 0.0]),
    column_direction=np.array([0.0, 1.0, 0.0]),
    pixel_spacing_mm=(1.0, 1.0),
    rows=40,
    columns=40,
)
LEFT = Structure(1, "Lung_L", (1, 2, 3), description="Left lung")
RIGHT = Structure(2, "Lung_R", (4, 5, 6))
CORD = Structure(3, "SpinalCord", (7, 8, 9), interpreted_type="")
MODEL = (LEFT, RIGHT, CORD)
BOTH = DerivedStructure(Structure(0, "Lungs", (9, 9, 9)), Union(("Lung_L", "Lung_R")))
CUT = Notice("cut-by-scan-end", "It reaches the last slice.")
ODD = Notice("volume-unusual", "It is larger than any known.")
RING = shapely.Point(20, 20).buffer(8).difference(shapely.Point(20, 20).buffer(4))


def traced(structure: Structure, *slices: int) -> TracedStructure:
    """A ring on each of these slices."""
    return TracedStructure(structure, tuple(Outline(k, RING) for k in slices), 1.5 * len(slices))


ALL = {"Lung_L": traced(LEFT, 1, 2), "Lung_R": traced(RIGHT, 1), "SpinalCord": traced(CORD, 0, 5)}


def names(composition: Composition) -> list[str]:
    """Of what is written, in its order."""
    return [drawn.structure.name for drawn in composition.drawn]


def statuses(composition: Composition) -> list[tuple[str, str]]:
    """Of what was asked for."""
    return [(account.source, account.status.value) for account in composition.accounts]


def test_without_a_wish_everything_is_written_as_the_model_has_it() -> None:
    """The plain template: the model's structures, then the derived ones."""
    template = Template("all", derived=(BOTH,))

    composition = compose(
        template, MODEL, {**ALL, "Lungs": traced(BOTH.structure, 1, 2)}, {"Lung_L": (ODD,)}, GRID
    )

    assert names(composition) == ["Lung_L", "Lung_R", "SpinalCord", "Lungs"]
    assert composition.accounts[0] == Account(
        "Lung_L", "Lung_L", Status.CONTOURED, "", 3.0, slices=2, contours=2, flags=(ODD,)
    )
    assert composition.drawn[0].flags == (ODD,)
    assert composition.drawn[0].structure == LEFT
    assert composition.drawn[0].volume_cm3 == 3.0


def test_a_template_orders_renames_colours_and_types() -> None:
    """Every planning system and every site has its own; the description keeps the real name."""
    template = Template(
        "site",
        structures=(
            WantedStructure("SpinalCord", "Myelon", (200, 0, 0), "AVOIDANCE"),
            WantedStructure("Lung_L", "Lunge_li"),
            WantedStructure("Lung_R", interpreted_type=""),
        ),
    )

    composition = compose(template, MODEL, ALL, {}, GRID)

    cord, left, right = (drawn.structure for drawn in composition.drawn)
    assert (cord.name, cord.colour_rgb, cord.interpreted_type) == (
        "Myelon",
        (200, 0, 0),
        "AVOIDANCE",
    )
    assert cord.description == "SpinalCord"
    assert (left.name, left.colour_rgb, left.description) == ("Lunge_li", (1, 2, 3), "Left lung")
    assert (right.name, right.interpreted_type, right.description) == ("Lung_R", "", "")
    assert [account.name for account in composition.accounts] == ["Myelon", "Lunge_li", "Lung_R"]
    assert [account.source for account in composition.accounts] == [
        "SpinalCord",
        "Lung_L",
        "Lung_R",
    ]


def test_one_structure_may_stand_there_under_two_names() -> None:
    """One for the plan, one for a protocol."""
    wanted = (WantedStructure("Lung_L"), WantedStructure("Lung_L", "Organ_1"))

    composition = compose(Template("two", structures=wanted), MODEL, ALL, {}, GRID)

    assert names(composition) == ["Lung_L", "Organ_1"]


@pytest.mark.parametrize("flag", ["cut-by-scan-end", "cut-by-field-of-view"])
def test_a_cut_structure_is_marked_where_the_template_asks_for_it(flag: str) -> None:
    """Its volume is that of a part: TG-263 says so in the name."""
    flags = {"Lung_L": (Notice(flag, "Cut."),), "Lung_R": (ODD,)}

    marked = compose(Template("marks", marks_cut=True), MODEL, ALL, flags, GRID)
    plain = compose(Template("plain"), MODEL, ALL, flags, GRID)

    assert names(marked) == ["Lung~_L", "Lung_R", "SpinalCord"]
    assert names(plain) == ["Lung_L", "Lung_R", "SpinalCord"]
    assert marked.drawn[0].structure.description == "Left lung"


def test_a_mark_that_makes_two_names_alike_is_left_off() -> None:
    """The flag stays; a structure is not dropped for its mark."""
    structures = (Structure(1, "Organ~", (1, 1, 1)), Structure(2, "ORGAN", (2, 2, 2)))
    both = {one.name: traced(one, 1) for one in structures}

    composition = compose(
        Template("marks", marks_cut=True), structures, both, {"ORGAN": (CUT,)}, GRID
    )

    assert names(composition) == ["Organ~", "ORGAN"]
    assert composition.drawn[1].flags == (CUT,)


def test_what_is_not_in_the_scan_is_accounted_for_and_left_out() -> None:
    """Silence about a missing organ would be taken for a healthy file."""
    specks = {**ALL, "Lung_R": TracedStructure(RIGHT, (), 0.0)}
    del specks["SpinalCord"]

    composition = compose(Template("all"), MODEL, specks, {}, GRID)

    assert names(composition) == ["Lung_L"]
    assert statuses(composition) == [
        ("Lung_L", "contoured"),
        ("Lung_R", "not-in-scan"),
        ("SpinalCord", "not-in-scan"),
    ]
    assert [account.reason for account in composition.accounts] == [
        "",
        "What the model found of it is too small to draw.",
        "The model found none of it in this scan.",
    ]


def test_what_the_model_keeps_only_on_conditions_is_accounted_for_with_them() -> None:
    """It may have seen a lesion that touches no organ."""
    tumour = Structure(1, "Tumour", (255, 0, 0), None, minimum_cm3=0.2, touches=("Liver",))

    composition = compose(Template("all"), (tumour, *MODEL[1:]), ALL, {}, GRID)

    assert composition.accounts[0].reason == (
        "The model found no parts of it of at least 0.2 cm3 that touch Liver in this scan."
    )


def test_what_is_not_in_the_scan_is_kept_empty_where_the_template_asks_for_it() -> None:
    """Some sites want every name there, to draw what is missing."""
    template = Template("keeps", keeps_empty=True)

    composition = compose(template, MODEL, {"Lung_L": ALL["Lung_L"]}, {}, GRID)

    assert names(composition) == ["Lung_L", "Lung_R", "SpinalCord"]
    assert [len(drawn.contours) for drawn in composition.drawn] == [2, 0, 0]
    assert statuses(composition)[2] == ("SpinalCord", "not-in-scan")


def test_a_structure_that_the_model_does_not_draw_has_failed() -> None:
    """The template asks for it, so the file's receiver waits for it."""
    wanted = (WantedStructure("Heart", "Herz"), WantedStructure("Lung_L"))

    composition = compose(Template("more", structures=wanted), MODEL, ALL, {}, GRID)

    assert names(composition) == ["Lung_L"]
    assert composition.accounts[0] == Account(
        "Herz", "Heart", Status.FAILED, "The model does not draw Heart."
    )


def test_a_derived_structure_of_nothing_has_failed() -> None:
    """It is made, not found: that it is not there is a fault."""
    second = DerivedStructure(Structure(0, "Rest", (1, 1, 1)), Union(("Lung_L", "Lung_R")))
    template = Template("derives", derived=(BOTH, second), keeps_empty=True)
    empty = TracedStructure(BOTH.structure, (), 0.0)

    composition = compose(template, MODEL, {**ALL, "Lungs": empty}, {}, GRID)

    failed = composition.accounts[-2:]
    assert names(composition) == ["Lung_L", "Lung_R", "SpinalCord"]
    assert [account.status for account in failed] == [Status.FAILED, Status.FAILED]
    assert failed[0].reason == "It came out too small to draw."
    assert failed[1].reason == "It was not derived."


def test_a_derived_structure_that_could_not_be_made_says_why() -> None:
    """The person who waits for it must learn more than that it is missing."""
    template = Template("derives", derived=(BOTH,))

    composition = compose(template, MODEL, ALL, {}, GRID, {"Lungs": "Lung_R was not found."})

    assert names(composition) == ["Lung_L", "Lung_R", "SpinalCord"]
    assert composition.accounts[-1] == Account(
        "Lungs", "Lungs", Status.FAILED, "Lung_R was not found."
    )


@pytest.mark.parametrize("name", ["spinalCORD", "SpinalCord"])
def test_of_two_equal_names_the_second_has_failed(name: str) -> None:
    """Some planning systems would merge the two."""
    wanted = (WantedStructure("SpinalCord"), WantedStructure("Lung_L", name))

    composition = compose(Template("twice", structures=wanted), MODEL, ALL, {}, GRID)

    assert names(composition) == ["SpinalCord"]
    assert composition.accounts[1].status is Status.FAILED
    assert composition.accounts[1].reason == (
        f"Another structure of the file is called {name}, but for case."
    )


def test_a_name_over_the_destination_s_limit_has_failed() -> None:
    """Cut off by the importing system, it could be another one's."""
    composition = compose(Template("short", name_limit=8), MODEL, ALL, {}, GRID)

    assert names(composition) == ["Lung_L", "Lung_R"]
    assert composition.accounts[2].reason == (
        "SpinalCord is no ROI name of at most 8 ASCII characters: give it another in the template "
        "short."
    )


@pytest.mark.parametrize(
    ("holes", "contours", "kind"),
    [
        (HoleEncoding.KEYHOLE, 1, "CLOSED_PLANAR"),
        (HoleEncoding.NESTED, 2, "CLOSED_PLANAR"),
        (HoleEncoding.XOR, 2, "CLOSEDPLANAR_XOR"),
    ],
)
def test_holes_are_written_as_the_template_has_it(
    holes: HoleEncoding, contours: int, kind: str
) -> None:
    """No encoding is understood everywhere."""
    composition = compose(
        Template("holes", holes=holes), (RIGHT,), {"Lung_R": ALL["Lung_R"]}, {}, GRID
    )

    (drawn,) = composition.drawn
    assert len(drawn.contours) == contours == composition.accounts[0].contours
    assert {contour.geometric_type for contour in drawn.contours} == {kind}


def test_what_derived_structures_are_made_of_is_checked_before_the_model_runs() -> None:
    """A quarter of an hour of inference ends in nothing otherwise."""
    chain = DerivedStructure(Structure(0, "Chest", (1, 1, 1)), Union(("Lungs", "Heart")))

    check_sources(Template("fits", derived=(BOTH,)), MODEL)

    with pytest.raises(DerivationError, match=r"Chest cannot be made: the model does not draw H"):
        check_sources(Template("lacks", derived=(BOTH, chain)), MODEL)


def test_a_derived_structure_must_not_take_the_name_of_a_drawn_one() -> None:
    """One of the two would be written for the other."""
    body = DerivedStructure(Structure(0, "Lung_L", (1, 1, 1)), BodyOutline())

    with pytest.raises(DerivationError, match="the model draws one of that name"):
        check_sources(Template("hides", derived=(body,)), MODEL)
