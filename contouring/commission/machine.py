"""The machine and the software that a report was made with."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib.metadata import version

# What decides where a contour runs, next to the network's runtime.
LIBRARIES = ("numpy", "scipy", "contourpy", "shapely", "pydicom")


@dataclass(frozen=True)
class Machine:
    """A computer as a person would name it."""

    name: str
    system: str
    processor: str
    software: str


def read_machine() -> Machine:
    """This machine."""
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return Machine(
        name=platform.node(),
        system=platform.platform(),
        processor=platform.machine(),
        software=f"Python {platform.python_version()}, {libraries}",
    )
