"""Every shipped template, written, before the judges."""

from __future__ import annotations

from pathlib import Path

import pytest
import shapely
import yaml

from contouring.composition import compose
from contouring.dicom_series import CTSeries
from contouring.outlines import Outline, TracedStructure
from contouring.rtstruct import write_structure_set
from contouring.structures import CodedConcept, Structure
from contouring.template import HoleEncoding, Template
from models.bundles import RELEASED
from models.card import CodeCard, ModelCard
from models.templates import find_templates
from tests.contouring.tiny_structure_sets import ORIGIN, STAMP, complaints, parsed, tiny_series

RING = shapely.Point(11, 9).buffer(6).difference(shapely.Point(11, 9).buffer(3))
TEMPLATES = find_templates()
# Not in the edition of the standard that dciodvfy knows.
NEWER_THAN_DCIODVFY = "Unrecognized enumerated value <CLOSEDPLANAR_XOR>"


def head_and_neck() -> tuple[Structure, ...]:
    """The released model's structures, as its card has them."""
    card = ModelCard.model_validate(yaml.safe_load((RELEASED / "hn-oar/card.yaml").read_text()))
    return tuple(
        Structure(
            one.label,
            one.name,
            one.colour,
            description=one.description,
            interpreted_type=one.interpreted_type,
            code=concept(one.code),
            laterality=concept(one.laterality),
        )
        for one in card.structures
    )


def concept(card: CodeCard | None) -> CodedConcept | None:
    """As the data path knows it."""
    return None if card is None else CodedConcept(card.value, card.scheme, card.meaning)


def written(series: CTSeries, template: Template) -> bytes:
    """A structure set of the released model's structures, each a ring on three slices."""
    structures = head_and_neck()
    traced = {
        one.name: TracedStructure(one, tuple(Outline(k, RING) for k in (2, 3, 4)), 0.6)
        for one in structures[:-1]
    }
    drawn = compose(template, structures, traced, {}, series.grid).drawn
    return write_structure_set(series, drawn, ORIGIN, STAMP, template=template)


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_the_judges_have_nothing_to_say_of_any_shipped_template(tmp_path: Path, name: str) -> None:
    """Each is for a system that drops files for less."""
    series = tiny_series(tmp_path / "ct")

    content = written(series, TEMPLATES[name])

    assert complaints(content, tmp_path) == []
    assert len(parsed(content).StructureSetROISequence) == 6


@pytest.mark.parametrize("holes", HoleEncoding)
@pytest.mark.parametrize("keeps_empty", [True, False])
def test_nor_of_any_way_to_write_holes_and_empty_structures(
    tmp_path: Path, holes: HoleEncoding, keeps_empty: bool
) -> None:
    """A site's own template is written no worse."""
    series = tiny_series(tmp_path / "ct")
    template = Template("site", holes=holes, keeps_empty=keeps_empty)

    content = written(series, template)

    found = [text for text in complaints(content, tmp_path) if NEWER_THAN_DCIODVFY not in text]
    assert found == []
    assert len(parsed(content).StructureSetROISequence) == 6 + keeps_empty


def test_the_released_model_names_every_structure_for_people_and_programs() -> None:
    """A long name and a code for each, and a side where the name has one."""
    for structure in head_and_neck():
        side = {"_L": "Left", "_R": "Right"}.get(structure.name[-2:])

        assert structure.description
        assert structure.code is not None
        assert structure.code.scheme == "SCT"
        assert (structure.laterality.meaning if structure.laterality else None) == side
        assert side is None or structure.description.startswith(side)
