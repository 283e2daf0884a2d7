"""An anatomy: the structures of a scan by their own names, as fields and as lines on its slices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from contouring.derivations import DerivedStructure
from contouring.derived_fields import derive
from contouring.errors import DerivationError
from contouring.fields import Fields
from contouring.grid import Grid
from contouring.masks import StructureField, select_structures
from contouring.outlines import TracedStructure, trace_outlines
from contouring.structures import Structure
from contouring.volume import CTVolume

THREADS = 2


@dataclass(frozen=True, eq=False)
class Anatomy:
    """`failures`: why a derived structure could not be made, by its name."""

    structures: tuple[Structure, ...]
    fields: Mapping[str, StructureField]
    traced: Mapping[str, TracedStructure]
    failures: Mapping[str, str] = field(default_factory=dict)

    def shows(self, anchors: Sequence[str]) -> bool:
        """Whether any of these can be drawn; of all structures, if none is named."""
        drawn = {name for name, traced in self.traced.items() if traced.outlines}
        return not drawn.isdisjoint(anchors) if anchors else bool(drawn)


def find_anatomy(logits: Fields, structures: tuple[Structure, ...], grid: Grid) -> Anatomy:
    """What a model sees in a scan."""
    selected = select_structures(logits, structures)
    fields = {one.structure.name: one for one in selected}
    return Anatomy(structures, fields, _trace(selected, grid))


def add_derived(found: Anatomy, wanted: Sequence[DerivedStructure], ct: CTVolume) -> Anatomy:
    """The same with derived structures; one that cannot be made is told of, not left out.

    One may build on those before it.
    """
    fields = dict(found.fields)
    failures: dict[str, str] = {}
    made = []
    for derived in wanted:
        try:
            made.append(derive(derived, fields, ct))
        except DerivationError as error:
            failures[derived.structure.name] = str(error)
        else:
            fields[derived.structure.name] = made[-1]
    traced = {**found.traced, **_trace(made, ct.grid)}
    return Anatomy(found.structures, fields, traced, failures)


def _trace(fields: Sequence[StructureField], grid: Grid) -> Mapping[str, TracedStructure]:
    with ThreadPoolExecutor(THREADS) as pool:
        traced = pool.map(lambda one: trace_outlines(one, grid), fields)
        return {one.structure.name: one for one in traced}
