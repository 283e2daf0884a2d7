"""Templates, as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pydantic import BaseModel, Field

from contouring.derivations import DerivedStructure
from contouring.template import HoleEncoding, Template, WantedStructure


class TemplateSummaryView(BaseModel):
    """A template that jobs can name."""

    name: str
    description: str
    checksum: str
    is_default: bool


class TemplateListView(BaseModel):
    """All templates."""

    templates: list[TemplateSummaryView]


class WantedStructureView(BaseModel):
    """A structure of the file; what is null stays as the model has it."""

    source: str
    name: str | None
    colour: tuple[int, int, int] | None
    interpreted_type: str | None


class DerivedStructureView(BaseModel):
    """A structure that is computed from others."""

    name: str
    kind: str = Field(description="Union, Expansion, Ring, BodyOutline, ...")
    values: dict[str, Any] = Field(description="What it is made of, and its distances in mm.")


class TemplateView(TemplateSummaryView):
    """All that a template says, as its file calls it; where each value is from, the file tells."""

    structures: list[WantedStructureView] | None = Field(
        description="In the file's order; null: all of the model's, then the derived ones."
    )
    derived: list[DerivedStructureView]
    name_limit: int
    holes: HoleEncoding
    keep_empty: bool
    mark_cut: bool
    segmentation: bool


def build_template_summary(template: Template, is_default: bool) -> TemplateSummaryView:
    """A template in a list."""
    return TemplateSummaryView(
        name=template.name,
        description=template.description,
        checksum=template.checksum,
        is_default=is_default,
    )


def build_template_view(template: Template, is_default: bool) -> TemplateView:
    """A template and what it asks for."""
    structures = template.structures
    return TemplateView(
        **build_template_summary(template, is_default).model_dump(),
        structures=None if structures is None else [_build_wanted(one) for one in structures],
        derived=[_build_derived(one) for one in template.derived],
        name_limit=template.name_limit,
        holes=template.holes,
        keep_empty=template.keeps_empty,
        mark_cut=template.marks_cut,
        segmentation=template.with_segmentation,
    )


def _build_wanted(wanted: WantedStructure) -> WantedStructureView:
    return WantedStructureView(
        source=wanted.source,
        name=wanted.name,
        colour=wanted.colour_rgb,
        interpreted_type=wanted.interpreted_type,
    )


def _build_derived(derived: DerivedStructure) -> DerivedStructureView:
    return DerivedStructureView(
        name=derived.structure.name,
        kind=type(derived.derivation).__name__,
        values=asdict(derived.derivation),
    )
