"""A template: what one destination wants to find in a structure set."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from contouring.derivations import DerivedStructure
from contouring.structures import NAME_LIMIT


class HoleEncoding(StrEnum):
    """How a hole is written (DICOM PS3.3 C.8.8.6.3)."""

    KEYHOLE = (
        "keyhole"  # joined to its outer line; the only one that every reader tried understands
    )
    NESTED = "nested"  # a CLOSED_PLANAR of its own; many readers fill it
    XOR = "xor"  # CLOSEDPLANAR_XOR; makes structures vanish in some readers


@dataclass(frozen=True)
class WantedStructure:
    """A structure of the file: `source` names the model's or a derived one; what is None stays as
    the model has it."""

    source: str
    name: str | None = None
    colour_rgb: tuple[int, int, int] | None = None
    interpreted_type: str | None = None


@dataclass(frozen=True)
class Template:
    """What a structure set holds and how it is written.

    `structures`: in the file's order; None for all of the model's, then all derived ones.
    `marks_cut`: a structure cut by the scan's end gets `~` in its name (TG-263).
    `with_segmentation`: a DICOM SEG as well. `checksum`: SHA-256 of the file it was read from.
    """

    name: str
    description: str = ""
    structures: tuple[WantedStructure, ...] | None = None
    derived: tuple[DerivedStructure, ...] = ()
    name_limit: int = NAME_LIMIT
    holes: HoleEncoding = HoleEncoding.KEYHOLE
    keeps_empty: bool = False
    marks_cut: bool = False
    with_segmentation: bool = False
    checksum: str = ""
