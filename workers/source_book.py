"""The senders that a site knows, and how each of them sends: a YAML file; `docs/receiving.md`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from models.yaml_files import read_yaml_file
from workers.sources import PROJECT, Source, SourceKind, name_stranger

AeTitle = Annotated[str, Field(pattern=r"^[!-\[\]-~]([ -\[\]-~]{0,14}[!-\[\]-~])?$")]  # PS3.5 6.2
Network = Annotated[
    IPv4Network | IPv6Network, BeforeValidator(lambda text: ip_network(str(text), strict=False))
]
Seconds = Annotated[float, Field(ge=0, le=86_400)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class QidoCount(_Strict):
    """Ask the sender by QIDO-RS how many objects a series has."""

    url: Annotated[str, Field(pattern=r"^https?://")]
    bearer_token_file: Path | None = None


class FindCount(_Strict):
    """The same by C-FIND."""

    host: str
    port: Annotated[int, Field(ge=1, le=65535)]
    called_ae: AeTitle
    calling_ae: AeTitle = "OARLOCK"


class CountEntry(_Strict):
    """Where a sender answers how many objects it has."""

    qido: QidoCount | None = None
    find: FindCount | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.qido is None) == (self.find is None):
            raise ValueError("give either qido or find")
        return self


class CommitmentAddress(_Strict):
    """Where a sender listens for what is committed to (PS3.4 Annex J)."""

    host: Annotated[str, Field(min_length=1)]
    port: Annotated[int, Field(ge=1, le=65535)]


class SourceEntry(_Strict):
    """A sender; what it does not say of itself matches anything."""

    name: Annotated[str, Field(pattern=r"^[\w .:-]{1,64}$")]
    kind: Literal["any", "stow", "dimse", "folder"] = "any"
    calling_ae: AeTitle | None = None
    called_ae: AeTitle | None = None
    address: Network | None = None
    certificate: Annotated[str, Field(min_length=1)] | None = None  # its subject, as in RFC 4514
    project: Annotated[str, Field(pattern=PROJECT)] | None = None
    folder: Path | None = None
    quiet_seconds: Seconds = 30.0
    incomplete_seconds: Seconds = 600.0
    sends_whole_series: bool = False
    ends_by_abort: bool = False
    count: CountEntry | None = None
    commitment: CommitmentAddress | None = None
    after: Literal["delete", "keep"] = "delete"  # of a folder's files, once they are taken

    @model_validator(mode="after")
    def _has_a_folder(self) -> Self:
        if (self.kind == "folder") != (self.folder is not None):
            raise ValueError("a source of the kind folder, and no other, has a folder")
        return self

    @model_validator(mode="after")
    def _shows_it_by_dimse(self) -> Self:
        if self.certificate is not None and self.kind != "dimse":
            raise ValueError("only a source of the kind dimse shows a certificate")
        return self

    def matches(
        self, kind: SourceKind, calling_ae: str, called_ae: str, address: str, certificate: str
    ) -> bool:
        """Whether a connection is this sender's."""
        return (
            self.kind in ("any", kind.value)
            and self.folder is None
            and self.calling_ae in (None, calling_ae)
            and self.called_ae in (None, called_ae)
            and (self.address is None or _is_within(address, self.address))
            and self.certificate in (None, certificate)
        )


class SourceFile(_Strict):
    """The whole file."""

    format: Literal[1]
    unknown: Literal["accept", "refuse"] = "refuse"
    sources: tuple[SourceEntry, ...] = ()

    @model_validator(mode="after")
    def _has_each_name_once(self) -> Self:
        names = [source.name for source in self.sources]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ValueError(f"two sources are called {min(twice)}")
        return self


@dataclass(frozen=True)
class Sender:
    """A source and how it sends."""

    source: Source
    entry: SourceEntry


class SourceBook:
    """Finds who a connection belongs to."""

    def __init__(
        self, entries: Iterable[SourceEntry] = (), *, accepts_unknown: bool = True
    ) -> None:
        self._entries = tuple(entries)
        self._accepts_unknown = accepts_unknown

    def find(
        self,
        kind: SourceKind,
        calling_ae: str = "",
        called_ae: str = "",
        address: str = "",
        certificate: str = "",
    ) -> Sender | None:
        """The first sender that matches; one without a name where unknown ones are accepted.

        `certificate`: the subject of the one that it has proved to own; empty without.
        """
        for entry in self._entries:
            if entry.matches(kind, calling_ae, called_ae, address, certificate):
                project = entry.project
                source = Source(entry.name, kind, calling_ae, called_ae, address, project)
                return Sender(source, entry)
        if not self._accepts_unknown:
            return None
        name = name_stranger(kind, calling_ae, address)
        return Sender(
            Source(name, kind, calling_ae, called_ae, address), SourceEntry(name="unknown")
        )

    def find_entry(self, source: Source) -> SourceEntry:
        """How the sender of an arrival sends by now."""
        named = {entry.name: entry for entry in self._entries}
        return named.get(source.name, SourceEntry(name="unknown"))

    @property
    def wants_certificates(self) -> bool:
        """Whether some sender is known by its certificate."""
        return any(entry.certificate is not None for entry in self._entries)

    @property
    def folders(self) -> tuple[tuple[Path, Sender], ...]:
        """The folders to watch."""
        return tuple(
            (
                entry.folder,
                Sender(Source(entry.name, SourceKind.FOLDER, project=entry.project), entry),
            )
            for entry in self._entries
            if entry.folder is not None
        )


def read_source_book(path: Path | None) -> SourceBook:
    """The book of a file; without one everybody may send. Raises `InvalidConfigurationError`."""
    if path is None:
        return SourceBook()
    file = read_yaml_file(path, SourceFile)
    return SourceBook(file.sources, accepts_unknown=file.unknown == "accept")


def _is_within(address: str, network: IPv4Network | IPv6Network) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return found in network
