"""What a template can ask to be derived."""

from __future__ import annotations

import pytest

from contouring.derivations import (
    BodyOutline,
    Contraction,
    Derivation,
    DerivedStructure,
    Difference,
    Expansion,
    Intersection,
    Margins,
    Ring,
    Union,
)
from contouring.structures import Structure

FIVE_MM = Margins.even(5.0)


@pytest.mark.parametrize(
    ("derivation", "sources"),
    [
        (Union(("Parotid_L", "Parotid_R")), ("Parotid_L", "Parotid_R")),
        (Intersection(("Lung_L", "PTV")), ("Lung_L", "PTV")),
        (Difference("Lungs", ("GTV", "Heart")), ("Lungs", "GTV", "Heart")),
        (Expansion("SpinalCord", FIVE_MM), ("SpinalCord",)),
        (Contraction("BODY", FIVE_MM), ("BODY",)),
        (Ring("Larynx", 0.0, 10.0), ("Larynx",)),
        (BodyOutline(), ()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_derived_structure_names_all_that_it_is_made_of(
    derivation: Derivation, sources: tuple[str, ...]
) -> None:
    """Whoever orders the work, or looks for a missing source, asks for these."""
    derived = DerivedStructure(Structure(0, "Derived", (1, 2, 3)), derivation)

    assert derived.sources == sources


def test_even_margins_reach_as_far_to_every_side() -> None:
    """The usual planning margin."""
    assert Margins(5.0, 5.0, 5.0, 5.0, 5.0, 5.0) == FIVE_MM


@pytest.mark.parametrize("sides", [(0, 0, 0, 0, 0, 0), (5, 5, -1, 5, 5, 5)])
def test_margins_that_mean_nothing_or_two_things_are_no_margins(sides: tuple[float, ...]) -> None:
    """A negative side of an expansion would shrink there: two rules say that, one could hide it."""
    with pytest.raises(ValueError, match="margins"):
        Margins(*sides)


@pytest.mark.parametrize(("inner_mm", "outer_mm"), [(5.0, 5.0), (8.0, 5.0), (-1.0, 5.0)])
def test_a_ring_runs_outwards(inner_mm: float, outer_mm: float) -> None:
    """Anything else is empty, or lies inside the structure."""
    with pytest.raises(ValueError, match="ring"):
        Ring("Larynx", inner_mm, outer_mm)
