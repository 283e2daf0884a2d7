"""The template file: everything a destination can ask for, validated; `docs/templates.md`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from contouring.derivations import (
    BODY_HU,
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
from contouring.roi_names import LONGEST_NAME
from contouring.structures import NAME_LIMIT, CodedConcept, Structure
from contouring.template import HoleEncoding, Template, WantedStructure
from models.card import CodeCard, ColourPart, Name
from models.yaml_files import Place

SHORTEST_LIMIT = 8  # below, TG-263 has no names
RoiName = Annotated[str, Field(pattern=rf"^[!-\[\]-~]{{1,{LONGEST_NAME}}}$")]
Distance = Annotated[float, Field(ge=0, le=100)]  # mm
Margin = Annotated[float, Field(gt=0, le=100)]  # mm
Colour = tuple[ColourPart, ColourPart, ColourPart]
InterpretedType = Literal[  # of (300A,00A4): those that contours of a CT can stand for
    "ORGAN",
    "AVOIDANCE",
    "CAVITY",
    "CONTROL",
    "CTV",
    "DOSE_REGION",
    "EXTERNAL",
    "GTV",
    "PTV",
    "SUPPORT",
    "",
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class WantedEntry(_Strict):
    """A structure of the file; what is left out stays as the model has it."""

    source: RoiName
    name: RoiName | None = None
    colour: Colour | None = None
    interpreted_type: InterpretedType | None = None

    def build(self) -> WantedStructure:
        """As the data path knows it."""
        return WantedStructure(self.source, self.name, self.colour, self.interpreted_type)


class SidesEntry(_Strict):
    """Millimetres towards each side of the patient."""

    right: Distance = 0.0
    left: Distance = 0.0
    anterior: Distance = 0.0
    posterior: Distance = 0.0
    inferior: Distance = 0.0
    superior: Distance = 0.0

    @model_validator(mode="after")
    def _grow_somewhere(self) -> Self:
        if max(self.model_dump().values()) == 0:
            raise ValueError("one side at least has a margin above 0 mm")
        return self


class SeveralEntry(_Strict):
    """Of a union or an intersection."""

    of: Annotated[tuple[RoiName, ...], Field(min_length=2)]


class DifferenceEntry(_Strict):
    """What is inside `of` and in none of `minus`."""

    of: RoiName
    minus: Annotated[tuple[RoiName, ...], Field(min_length=1)]


class MarginEntry(_Strict):
    """Of an expansion or a contraction."""

    of: RoiName
    margin_mm: Annotated[
        Annotated[Margin, Tag("even")] | Annotated[SidesEntry, Tag("sides")],
        Discriminator(lambda value: "sides" if isinstance(value, dict | SidesEntry) else "even"),
    ]

    @property
    def margins(self) -> Margins:
        """As the data path knows them."""
        if isinstance(self.margin_mm, float):
            return Margins.even(self.margin_mm)
        return Margins(**self.margin_mm.model_dump())


class RingEntry(_Strict):
    """What lies between two distances from the outside of `of`."""

    of: RoiName
    inner_mm: Distance = 0.0
    outer_mm: Margin

    @model_validator(mode="after")
    def _is_open(self) -> Self:
        if self.inner_mm >= self.outer_mm:
            raise ValueError("a ring's outer_mm is larger than its inner_mm")
        return self


class BodyOutlineEntry(_Strict):
    """The patient's outer border in the CT."""

    threshold_hu: Annotated[float, Field(ge=-900, le=0)] = BODY_HU


class DerivedEntry(_Strict):
    """A structure that is computed; exactly one of the derivations says how."""

    name: RoiName
    description: str = ""
    colour: Colour
    interpreted_type: InterpretedType = ""
    code: CodeCard | None = None
    laterality: CodeCard | None = None
    union: SeveralEntry | None = None
    intersection: SeveralEntry | None = None
    difference: DifferenceEntry | None = None
    expand: MarginEntry | None = None
    contract: MarginEntry | None = None
    ring: RingEntry | None = None
    body_outline: BodyOutlineEntry | None = None

    @model_validator(mode="after")
    def _one_derivation(self) -> Self:
        if len(list(self._derivations())) != 1:
            raise ValueError(
                "give exactly one of union, intersection, difference, expand, contract, ring and "
                "body_outline"
            )
        return self

    def _derivations(self) -> Iterator[Derivation]:
        if self.union is not None:
            yield Union(self.union.of)
        if self.intersection is not None:
            yield Intersection(self.intersection.of)
        if self.difference is not None:
            yield Difference(self.difference.of, self.difference.minus)
        if self.expand is not None:
            yield Expansion(self.expand.of, self.expand.margins)
        if self.contract is not None:
            yield Contraction(self.contract.of, self.contract.margins)
        if self.ring is not None:
            yield Ring(self.ring.of, self.ring.inner_mm, self.ring.outer_mm)
        if self.body_outline is not None:
            yield BodyOutline(self.body_outline.threshold_hu)

    def build(self) -> DerivedStructure:
        """As the data path knows it; label 0 marks what no network drew."""
        structure = Structure(
            label=0,
            name=self.name,
            colour_rgb=self.colour,
            description=self.description,
            interpreted_type=self.interpreted_type,
            code=_code(self.code),
            laterality=_code(self.laterality),
        )
        return DerivedStructure(structure, next(self._derivations()))


class TemplateFile(_Strict):
    """A whole template; an unknown field is refused.

    `sources`: by setting, the document that its value is from, or "unverified" and why it was
    chosen.
    """

    format: Literal[1]
    name: Name
    description: str = ""
    structures: Annotated[tuple[WantedEntry, ...], Field(min_length=1)] | None = None
    derived: tuple[DerivedEntry, ...] = ()
    name_limit: Annotated[int, Field(ge=SHORTEST_LIMIT, le=LONGEST_NAME)] = NAME_LIMIT
    holes: HoleEncoding = HoleEncoding.KEYHOLE
    keep_empty: bool = False
    mark_cut: bool = False
    segmentation: bool = False
    sources: dict[str, str] = Field(default_factory=dict)

    def find_faults(self) -> Iterator[tuple[Place, str]]:
        """Where the parts of a valid file do not go together, and why."""
        derived: list[tuple[Place, str]] = [
            (("derived", n, "name"), entry.name) for n, entry in enumerate(self.derived)
        ]
        yield from _repeated(derived)
        written = derived
        if self.structures is not None:
            written = [
                (("structures", n, "name" if entry.name else "source"), entry.name or entry.source)
                for n, entry in enumerate(self.structures)
            ]
            yield from _repeated(written)
        for path, name in written:
            if len(name) > self.name_limit:
                yield path, f"{name} is longer than name_limit, {self.name_limit} characters"
        _, cycle = _in_order({entry.name: entry.build() for entry in self.derived})
        if cycle:
            index = [entry.name for entry in self.derived].index(cycle[0])
            yield ("derived", index), f"made of itself: {' -> '.join(cycle)}"
        for setting in self.sources:
            if setting not in type(self).model_fields:
                yield ("sources", setting), "there is no such setting"

    def build(self, checksum: str) -> Template:
        """As the data path knows it; derived structures stand after those they are made of."""
        ordered, _ = _in_order({entry.name: entry.build() for entry in self.derived})
        wanted = self.structures
        return Template(
            name=self.name,
            description=self.description,
            structures=None if wanted is None else tuple(entry.build() for entry in wanted),
            derived=ordered,
            name_limit=self.name_limit,
            holes=self.holes,
            keeps_empty=self.keep_empty,
            marks_cut=self.mark_cut,
            with_segmentation=self.segmentation,
            checksum=checksum,
        )


def _repeated(named: list[tuple[Place, str]]) -> Iterator[tuple[Place, str]]:
    seen: set[str] = set()
    for path, name in named:
        if name.casefold() in seen:
            yield path, f"{name} stands there twice, but for case"
        seen.add(name.casefold())


def _in_order(
    derived: dict[str, DerivedStructure],
) -> tuple[tuple[DerivedStructure, ...], tuple[str, ...]]:
    """Each after its sources, else as in the file; and the first cycle instead, if there is one."""
    ordered: dict[str, DerivedStructure] = {}

    def add(name: str, above: tuple[str, ...]) -> tuple[str, ...]:
        if name in above:
            return (*above[above.index(name) :], name)
        if name in derived and name not in ordered:
            for source in derived[name].sources:
                cycle = add(source, (*above, name))
                if cycle:
                    return cycle
            ordered[name] = derived[name]
        return ()

    for name in derived:
        cycle = add(name, ())
        if cycle:
            return (), cycle
    return tuple(ordered.values()), ()


def _code(card: CodeCard | None) -> CodedConcept | None:
    return None if card is None else CodedConcept(card.value, card.scheme, card.meaning)
