"""Who sent something: the name that a site gave a sender, and what its connection says of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

PROJECT = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$"
"""What a project may be called; a slash parts it from a source's name."""


class SourceKind(StrEnum):
    """The way that something came in."""

    STOW = "stow"
    DIMSE = "dimse"
    FOLDER = "folder"
    UPLOAD = "upload"  # POST /v1/jobs


@dataclass(frozen=True)
class Source:
    """A sender; what its way in does not have is empty.

    `name`: as the site calls it, or made of what the connection says; `address`: an IP address;
    `project`: whom alone what it sends belongs to, None meaning the whole site.
    """

    name: str
    kind: SourceKind
    calling_ae: str = ""
    called_ae: str = ""
    address: str = ""
    project: str | None = None

    @property
    def key(self) -> str:
        """What sets it apart; a project's names are its own."""
        return self.name if self.project is None else f"{self.project}/{self.name}"

    @property
    def shown(self) -> str:
        """As logs name it: by the site's name, never by what a stranger calls itself."""
        if self.name != name_stranger(self.kind, self.calling_ae, self.address):
            return self.name
        return f"an unnamed source ({self.kind} at {self.address})"


def name_stranger(kind: SourceKind, calling_ae: str, address: str) -> str:
    """The name of a source that the site has none for."""
    return " ".join(part for part in (kind.value, calling_ae, address) if part)
