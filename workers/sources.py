"""Who sent something: the name that a site gave a sender, and what its connection says of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class SourceKind(StrEnum):
    """The way that something came in."""

    STOW = "stow"
    DIMSE = "dimse"
    FOLDER = "folder"
    UPLOAD = "upload"  # POST /v1/jobs


@dataclass(frozen=True)
class Source:
    """A sender; what its way in does not have is empty.

    `name`: as the site calls it, or made of what the connection says; `address`: an IP address.
    """

    name: str
    kind: SourceKind
    calling_ae: str = ""
    called_ae: str = ""
    address: str = ""

    @property
    def shown(self) -> str:
        """As logs name it: by the site's name, never by what a stranger calls itself."""
        if self.name != name_stranger(self.kind, self.calling_ae, self.address):
            return self.name
        return f"an unnamed source ({self.kind} at {self.address})"


def name_stranger(kind: SourceKind, calling_ae: str, address: str) -> str:
    """The name of a source that the site has none for."""
    return " ".join(part for part in (kind.value, calling_ae, address) if part)
