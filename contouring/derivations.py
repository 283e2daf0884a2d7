"""Derived structures, as a template asks for them: unions, margins, rings, the body's outline.

Only what is wanted; `derived_fields.py` does it, on the fields.
"""

from __future__ import annotations

from dataclasses import dataclass

from contouring.structures import Structure

BODY_HU = -250.0  # between air or lung and the skin


@dataclass(frozen=True)
class Margins:
    """Millimetres towards each side of the patient, none negative."""

    right: float
    left: float
    anterior: float
    posterior: float
    inferior: float
    superior: float

    def __post_init__(self) -> None:
        sides = (self.right, self.left, self.anterior, self.posterior, self.inferior, self.superior)
        if min(sides) < 0 or max(sides) == 0:
            raise ValueError(f"margins are not negative, and one is above 0 mm, not {sides}")

    @classmethod
    def even(cls, margin_mm: float) -> Margins:
        """The same towards every side."""
        return cls(margin_mm, margin_mm, margin_mm, margin_mm, margin_mm, margin_mm)


@dataclass(frozen=True)
class Union:
    """Inside at least one."""

    of: tuple[str, ...]


@dataclass(frozen=True)
class Intersection:
    """Inside all."""

    of: tuple[str, ...]


@dataclass(frozen=True)
class Difference:
    """Inside `of` and in none of `minus`."""

    of: str
    minus: tuple[str, ...]


@dataclass(frozen=True)
class Expansion:
    """Grown by margins: every point within an ellipsoid around a point of `of`."""

    of: str
    margins: Margins


@dataclass(frozen=True)
class Contraction:
    """Shrunk by margins: what is no nearer than that to the outside."""

    of: str
    margins: Margins


@dataclass(frozen=True)
class Ring:
    """Between `inner_mm` and `outer_mm` outside of `of`."""

    of: str
    inner_mm: float
    outer_mm: float

    def __post_init__(self) -> None:
        if not 0 <= self.inner_mm < self.outer_mm:
            raise ValueError(
                f"a ring runs from inner to a larger outer distance, not from {self.inner_mm} to "
                f"{self.outer_mm} mm"
            )


@dataclass(frozen=True)
class BodyOutline:
    """The patient's outer border in the CT: the largest part above `threshold_hu`, filled."""

    threshold_hu: float = BODY_HU


Derivation = Union | Intersection | Difference | Expansion | Contraction | Ring | BodyOutline


@dataclass(frozen=True)
class DerivedStructure:
    """A structure that is computed from others; names refer to the model's structures or to
    derived ones that stand before it."""

    structure: Structure
    derivation: Derivation

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the structures it is made of."""
        match self.derivation:
            case Union(of) | Intersection(of):
                return of
            case Difference(of, minus):
                return (of, *minus)
            case Expansion(of) | Contraction(of) | Ring(of):
                return (of,)
        return ()  # a body outline: of the scan itself
