"""A composition: what of the traced structures stands in one file, under which names, and an
account of every structure that was asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from contouring.contours import StructureContours, draw_contours
from contouring.errors import DerivationError
from contouring.flags import CUT_FLAGS
from contouring.grid import Grid
from contouring.notices import Notice
from contouring.outlines import TracedStructure
from contouring.roi_names import is_roi_name, mark_cut
from contouring.structures import Status, Structure
from contouring.template import Template, WantedStructure


@dataclass(frozen=True)
class Account:
    """One structure that a template asks for: `name` in the file, `source` in the model.

    `reason`: why it is not contoured, a sentence; empty if it is.
    """

    name: str
    source: str
    status: Status
    reason: str = ""
    volume_cm3: float = 0.0
    slices: int = 0
    contours: int = 0
    flags: tuple[Notice, ...] = ()


@dataclass(frozen=True, eq=False)
class Composition:
    """`drawn`: what is written, in its order; `accounts`: all that was asked for."""

    drawn: tuple[StructureContours, ...]
    accounts: tuple[Account, ...]


def check_sources(template: Template, model_structures: tuple[Structure, ...]) -> None:
    """That all derived structures can be made of what the model draws; before it is run.

    Raises `DerivationError`.
    """
    known = {structure.name for structure in model_structures}
    for derived in template.derived:
        if derived.structure.name in known:
            raise DerivationError(
                derived.structure.name, "the model draws one of that name. Choose another name."
            )
        missing = [source for source in derived.sources if source not in known]
        if missing:
            raise DerivationError(
                derived.structure.name,
                f"the model does not draw {', '.join(missing)}. Choose another model or template.",
            )
        known.add(derived.structure.name)


def compose(
    template: Template,
    model_structures: tuple[Structure, ...],
    traced: Mapping[str, TracedStructure],
    flags: Mapping[str, tuple[Notice, ...]],
    grid: Grid,
    failures: Mapping[str, str] = MappingProxyType({}),
) -> Composition:
    """The structures of one template, renamed, ordered and drawn.

    `traced`, `flags`: by the names of the model and of the template's derived structures;
    `failures`: why one of the latter could not be made. No name appears twice, whatever its case:
    of two, the first is written and the second has failed.
    """
    known = {structure.name: structure for structure in model_structures}
    known |= {derived.structure.name: derived.structure for derived in template.derived}
    drawn: list[StructureContours] = []
    accounts: list[Account] = []
    taken: set[str] = set()
    for wanted in _wanted(template, model_structures):
        own_flags = flags.get(wanted.source, ())
        name, fault = _choose_name(wanted, template, bool(CUT_FLAGS & _names(own_flags)), taken)
        structure = known.get(wanted.source)
        if structure is None:
            fault = f"The model does not draw {wanted.source}."
        fault = fault or failures.get(wanted.source, "")
        if structure is None or fault:
            accounts.append(Account(name, wanted.source, Status.FAILED, fault))
            continue
        styled = _styled(structure, wanted, name)
        contours = _draw(styled, traced.get(wanted.source), own_flags, template, grid)
        account = _account(contours, wanted.source, wanted.source in traced)
        accounts.append(account)
        is_kept = template.keeps_empty and account.status is Status.NOT_IN_SCAN
        if contours.contours or is_kept:
            drawn.append(contours)
            taken.add(name.casefold())
    return Composition(tuple(drawn), tuple(accounts))


def _wanted(
    template: Template, model_structures: tuple[Structure, ...]
) -> Iterator[WantedStructure]:
    if template.structures is not None:
        yield from template.structures
        return
    for structure in model_structures:
        yield WantedStructure(structure.name)
    for derived in template.derived:
        yield WantedStructure(derived.structure.name)


def _names(flags: tuple[Notice, ...]) -> set[str]:
    return {flag.name for flag in flags}


def _choose_name(
    wanted: WantedStructure, template: Template, is_cut: bool, taken: set[str]
) -> tuple[str, str]:
    """A name that is free, and what is wrong if there is none."""
    plain = wanted.name or wanted.source
    if not is_roi_name(plain, template.name_limit):
        return plain, (
            f"{plain} is no ROI name of at most {template.name_limit} ASCII characters: give it "
            f"another in the template {template.name}."
        )
    names = [plain]
    if is_cut and template.marks_cut:
        names = [mark_cut(plain, template.name_limit), plain]
    for name in names:
        if name.casefold() not in taken:
            return name, ""
    return plain, f"Another structure of the file is called {plain}, but for case."


def _styled(structure: Structure, wanted: WantedStructure, name: str) -> Structure:
    interpreted_type = wanted.interpreted_type
    return replace(
        structure,
        name=name,
        colour_rgb=wanted.colour_rgb or structure.colour_rgb,
        interpreted_type=(
            structure.interpreted_type if interpreted_type is None else interpreted_type
        ),
        # A reader of the file must be able to tell what a site's own name stands for.
        description=structure.description or (structure.name if name != structure.name else ""),
    )


def _draw(
    structure: Structure,
    traced: TracedStructure | None,
    flags: tuple[Notice, ...],
    template: Template,
    grid: Grid,
) -> StructureContours:
    if traced is None:
        return StructureContours(structure, (), 0.0)
    contours = draw_contours(traced, grid, template.holes)
    return StructureContours(structure, contours, traced.volume_cm3, flags)


def _account(drawn: StructureContours, source: str, was_traced: bool) -> Account:
    name, is_derived = drawn.structure.name, drawn.structure.label == 0
    if drawn.contours:
        return Account(
            name,
            source,
            Status.CONTOURED,
            volume_cm3=drawn.volume_cm3,
            slices=len({contour.slice_index for contour in drawn.contours}),
            contours=len(drawn.contours),
            flags=drawn.flags,
        )
    if is_derived:
        reason = "It came out too small to draw." if was_traced else "It was not derived."
        return Account(name, source, Status.FAILED, reason)
    reason = "The model found none of it in this scan."
    if drawn.structure.condition:
        reason = f"The model found no parts of it{drawn.structure.condition} in this scan."
    if was_traced:
        reason = "What the model found of it is too small to draw."
    return Account(name, source, Status.NOT_IN_SCAN, reason)
