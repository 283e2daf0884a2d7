"""Notices: what a person should know of a series or a structure, each with a stable name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Notice:
    """A warning or a flag: `name` is a stable slug ("uneven-spacing"), `text` a full sentence."""

    name: str
    text: str

    def __str__(self) -> str:
        """As jobs, reports and files show it."""
        return f"{self.name}: {self.text}"
