"""What a job does to its worker, told by the description of its series."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

DEAF = "deaf"
"""File in the data folder: the next worker that starts hears nothing."""

FORM = re.compile(r"chaos (\d+\.\d\d) s, (\w+)")


class Fault(StrEnum):
    """What happens in the middle of the work."""

    NONE = "none"
    DEATH = "death"  # the process kills itself, as the kernel does when memory is short
    MEMORY = "memory"  # an array that nobody can allocate
    SCARCITY = "scarcity"  # memory for small windows alone
    SEGMENTATION_FAULT = "segmentation_fault"


@dataclass(frozen=True)
class Script:
    """`seconds`: how long the job takes beside its real work, which is a fraction of a second."""

    seconds: float = 0.0
    fault: Fault = Fault.NONE

    def __str__(self) -> str:
        return f"chaos {self.seconds:.2f} s, {self.fault}"


def read_script(description: str) -> Script:
    """The script of a series; nothing unusual for any other."""
    match = FORM.fullmatch(description)
    return Script(float(match[1]), Fault(match[2])) if match else Script()
