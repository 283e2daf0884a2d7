"""What a store's status means: the same codes for C-STORE and STOW-RS.

PS3.4 Table B.2-1, PS3.7 Annex C, PS3.18 Table 10.5.1-3 (reasons of failure).
"""

from __future__ import annotations

SUCCESS = 0x0000
DUPLICATE = 0x0111  # Duplicate SOP Instance: the receiver has it, and keeps what it has

_NAMES = {
    0x0110: "it failed while it worked on it",
    DUPLICATE: "it has an instance of this UID",
    0x0112: "no such class or instance",
    0x0117: "a UID in it is not valid",
    0x0122: "it takes no structure sets",
    0x0124: "it does not let us store",
    0x0211: "it does not know the operation",
    0x0212: "an argument was mistyped",
    0xA700: "it is out of resources; is its disk full?",
    0xA710: "it is out of resources; is its disk full?",
    0xB000: "it changed attributes",
    0xB006: "it left elements out",
    0xB007: "the object does not match its class in all",
}
_RANGES = (
    (0xA700, 0xA7FF, "it is out of resources; is its disk full?"),
    (0xA900, 0xA9FF, "the object does not match its class, or the study is another patient's"),
    (0xB000, 0xBFFF, "a warning of its own"),
    (0xC000, 0xCFFF, "it could not process it; its log says why"),
)


def is_warning(status: int) -> bool:
    """Whether it was stored, and something is to be told besides (PS3.7 C.3)."""
    return status in (0x0001, 0x0107, 0x0116) or 0xB000 <= status <= 0xBFFF


def name_status(status: int) -> str:
    """A code and its meaning."""
    meant = _NAMES.get(status) or next(
        (text for low, high, text in _RANGES if low <= status <= high),
        "its log says what this means",
    )
    return f"0x{status:04X} ({meant})"
