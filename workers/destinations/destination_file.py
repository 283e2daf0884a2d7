"""The administrator's file of destinations, as it is written and validated.

It is the only place that addresses come from: a request or a rule names a destination.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from string import Formatter
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from workers.deliveries import JobEvent
from workers.destinations.addresses import HOST, LOOKS_NUMERIC, read_address
from workers.destinations.folder import DEFAULT_NAME
from workers.destinations.folder import UNSAFE as UNSAFE_IN_NAME

NAME_FIELDS = {"sop_instance_uid", "job_id", "template"}


def _check_host(host: str) -> str:
    if read_address(host) is None and (not HOST.fullmatch(host) or LOOKS_NUMERIC.fullmatch(host)):
        raise ValueError("it is neither a plain name nor an address such as 10.1.2.3 or fd00::1")
    return host


def _check_url(url: str) -> str:
    if not url.isascii() or any(sign <= " " or sign == "\\" for sign in url):
        raise ValueError("write it in plain ASCII, without spaces")
    try:
        parts = urlsplit(url)
        port_is_wrong = parts.port == 0
    except ValueError as error:
        raise ValueError(f"it is no address of a server ({error})") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or port_is_wrong:
        raise ValueError("it must be like https://pacs.example:8042/dicom-web")
    if parts.username is not None or parts.password is not None or "@" in parts.netloc:
        raise ValueError("users and passwords do not stand here: see auth")
    if parts.query or parts.fragment or "?" in url or "#" in url:
        raise ValueError("it ends with its path: leave out what follows ? or #")
    _check_host(parts.hostname)
    return url.rstrip("/")


def _check_file_name(name: str) -> str:
    try:
        parts = list(Formatter().parse(name))
    except ValueError as error:
        raise ValueError(f"its braces do not match ({error})") from error
    fields = {field for _, field, _, _ in parts if field is not None}
    if not fields <= NAME_FIELDS or any(spec or conversion for _, _, spec, conversion in parts):
        raise ValueError(f"in braces may stand {', '.join(sorted(NAME_FIELDS))} alone")
    text = "".join(literal for literal, *_ in parts)
    if UNSAFE_IN_NAME.search(text) or name.startswith("."):
        raise ValueError("it has letters, digits, '.', '_' and '-' alone, and no '.' at first")
    if "sop_instance_uid" not in fields:
        raise ValueError("it needs {sop_instance_uid}, or one structure set takes another's name")
    return name


Host = Annotated[str, AfterValidator(_check_host)]
Url = Annotated[str, AfterValidator(_check_url)]
FileName = Annotated[str, AfterValidator(_check_file_name)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
AETitle = Annotated[str, StringConstraints(pattern=r"^[!-\[\]-~](?:[ -\[\]-~]{0,14}[!-\[\]-~])?$")]
Seconds = Annotated[float, Field(gt=0, le=600)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _require_one(part: BaseModel, *names: str) -> None:
    if sum(getattr(part, name) is not None for name in names) != 1:
        raise ValueError(f"it needs one of {' and '.join(names)}")


class BearerPart(_Part):
    """A token (RFC 6750)."""

    kind: Literal["bearer"]
    token_file: Path | None = None
    token_env: str | None = None

    @model_validator(mode="after")
    def _has_one_secret(self) -> BearerPart:
        _require_one(self, "token_file", "token_env")
        return self


class BasicPart(_Part):
    """A user and a password (RFC 7617)."""

    kind: Literal["basic"]
    user: Annotated[str, StringConstraints(pattern=r"^[^:\x00-\x1f]+$")]
    password_file: Path | None = None
    password_env: str | None = None

    @model_validator(mode="after")
    def _has_one_secret(self) -> BasicPart:
        _require_one(self, "password_file", "password_env")
        return self


class TlsPart(_Part):
    """PEM files of a connection."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    @model_validator(mode="after")
    def _has_a_certificate_for_its_key(self) -> TlsPart:
        if self.key is not None and self.cert is None:
            raise ValueError("key needs cert beside it")
        return self


class DicomTlsPart(TlsPart):
    """The same of a DICOM node, some of which have certificates that nobody can verify."""

    verify: bool = True


Auth = Annotated[BearerPart | BasicPart, Field(discriminator="kind")]


class _DestinationPart(_Part):
    name: Name
    at_once: int = Field(1, ge=1, le=8, description="Deliveries at the same time.")


class _NetworkPart(_DestinationPart):
    allow_local: bool = False
    timeout_seconds: Seconds = 30.0


class StowPart(_NetworkPart):
    """A DICOMweb server."""

    kind: Literal["stow"]
    template: str | None = None
    url: Url
    auth: Auth | None = None
    tls: TlsPart = TlsPart()


class CStorePart(_NetworkPart):
    """A DICOM node."""

    kind: Literal["cstore"]
    template: str | None = None
    host: Host
    port: int = Field(ge=1, le=65535)
    called_ae: AETitle
    calling_ae: AETitle = "OARLOCK"
    tls: DicomTlsPart | None = None


class FolderPart(_DestinationPart):
    """A folder that something else watches."""

    kind: Literal["folder"]
    template: str | None = None
    path: Path
    file_name: FileName = DEFAULT_NAME
    readable_by: Literal["owner", "group", "all"] = "group"

    @property
    def mode(self) -> int:
        """Of the files that are put there."""
        return {"owner": 0o600, "group": 0o640, "all": 0o644}[self.readable_by]


class WebhookPart(_NetworkPart):
    """A server that is told how jobs end."""

    kind: Literal["webhook"]
    url: Url
    events: tuple[JobEvent, ...] = Field(tuple(JobEvent), min_length=1)
    secret_file: Path | None = None
    secret_env: str | None = None
    auth: Auth | None = None
    tls: TlsPart = TlsPart()
    patient_data: bool = False

    @model_validator(mode="after")
    def _has_one_secret(self) -> WebhookPart:
        _require_one(self, "secret_file", "secret_env")
        return self


DestinationPart = Annotated[
    StowPart | CStorePart | FolderPart | WebhookPart, Field(discriminator="kind")
]


class DestinationFile(_Part):
    """The whole file."""

    format: Literal[1]
    allowed_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    destinations: tuple[DestinationPart, ...]

    def find_faults(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Names that two destinations have, and paths that depend on where a server was started."""
        counts = Counter(one.name for one in self.destinations)
        for number, one in enumerate(self.destinations):
            if counts[one.name] > 1:
                place = ("destinations", number, "name")
                yield place, f"{one.name} is the name of {counts[one.name]} destinations"
            if isinstance(one, FolderPart) and not one.path.is_absolute():
                yield ("destinations", number, "path"), "it must begin at /"
