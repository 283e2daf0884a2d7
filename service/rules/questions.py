"""What a condition asks of a value, and how it says so."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Annotated, Protocol

from pydantic import StringConstraints, TypeAdapter, ValidationError
from pydantic_core import SchemaError

YEARS = {"Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}  # DICOM PS3.5 6.2, VR AS
AGE = re.compile(r"(\d{3})([YMWD])")


class Question(Protocol):
    """Holds for an attribute if it holds for one of its values."""

    def holds_for(self, text: str) -> bool:
        """Whether one value is what is asked for."""
        ...

    def __str__(self) -> str:
        """In words, after the attribute's name."""
        ...


@dataclass(frozen=True)
class Equals:
    """One of some texts, whatever their case, or numbers."""

    values: tuple[str | float, ...]

    def holds_for(self, text: str) -> bool:
        """A number is compared as one: "2.50" equals 2.5."""
        return any(
            text.casefold() == value.casefold()
            if isinstance(value, str)
            else read_number(text) == value
            for value in self.values
        )

    def __str__(self) -> str:
        shown = [f'"{one}"' if isinstance(one, str) else f"{one:.10g}" for one in self.values]
        return f"one of {', '.join(shown)}" if len(shown) > 1 else f"equal to {shown[0]}"


@dataclass(frozen=True)
class Contains:
    """A text with this one in it, whatever its case."""

    part: str

    def holds_for(self, text: str) -> bool:
        """As a person reads it."""
        return self.part.casefold() in text.casefold()

    def __str__(self) -> str:
        return f'containing "{self.part}"'


@dataclass(frozen=True)
class Matches:
    """A text in which a regular expression matches somewhere.

    It runs in the engine that pydantic brings, which takes time in proportion to the text, whatever
    the expression: Python's own takes hours over "(a+)+b" and forty letters in a header.
    """

    expression: str
    _engine: TypeAdapter[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Raises `ValueError` for what is no expression of that engine."""
        try:
            engine = TypeAdapter[str](Annotated[str, StringConstraints(pattern=self.expression)])
        except SchemaError as error:
            raise ValueError(_tell(str(error))) from error
        object.__setattr__(self, "_engine", engine)

    def holds_for(self, text: str) -> bool:
        """Case counts, unless the expression begins with (?i)."""
        try:
            self._engine.validate_python(text)
        except ValidationError:
            return False
        return True

    def __str__(self) -> str:
        return f"matching /{self.expression}/"


@dataclass(frozen=True)
class InRange:
    """A number from `low` to `high`, both included; an age is a number of years."""

    low: float = -math.inf
    high: float = math.inf

    def holds_for(self, text: str) -> bool:
        """What is no number is in no range."""
        number = read_number(text)
        return number is not None and self.low <= number <= self.high

    def __str__(self) -> str:
        if math.isinf(self.high):
            return f"at least {self.low:.10g}"
        if math.isinf(self.low):
            return f"at most {self.high:.10g}"
        return f"from {self.low:.10g} to {self.high:.10g}"


@dataclass(frozen=True)
class InNetwork:
    """An IP address in one of some networks; a network may be one address."""

    networks: tuple[IPv4Network | IPv6Network, ...]

    def holds_for(self, text: str) -> bool:
        """An IPv4 address that came over an IPv6 socket is the IPv4 address."""
        try:
            address = ip_address(text)
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self.networks)

    def __str__(self) -> str:
        return f"in {' or '.join(map(str, self.networks))}"


def read_number(text: str) -> float | None:
    """The number that a text writes, an age in years; None for any other text."""
    age = AGE.fullmatch(text)
    if age:
        return int(age[1]) * YEARS[age[2]]
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _tell(message: str) -> str:
    """The engine's reason without its drawing of where it stands."""
    reason = message.strip().splitlines()[-1].strip()
    reason = reason.removeprefix("SchemaError: ").removeprefix("error: ")
    return f"no regular expression that is taken: {reason}"
