"""Names of persons, as the standard compares them."""

from __future__ import annotations


def fold_name(text: str) -> str:
    """A name without what a writer may leave out: trailing delimiters and blanks (PS3.5 6.2)."""
    names = text.split("\\")
    return "\\".join(
        "=".join(group.rstrip("^ ").lstrip() for group in name.split("=")).rstrip("=")
        for name in names
    )
