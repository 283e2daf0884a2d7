"""The destinations of a site, by name: read from its file, and made into what sends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from contouring.errors import UnknownDestinationError
from models.yaml_files import read_yaml_file
from workers.destinations.addresses import AddressGuard, Resolve, resolve_host
from workers.destinations.certificates import Certificates
from workers.destinations.credentials import Credentials, Secret
from workers.destinations.cstore import CStoreReceiver
from workers.destinations.destination_file import (
    BasicPart,
    BearerPart,
    CStorePart,
    DestinationFile,
    FolderPart,
    StowPart,
    TlsPart,
    WebhookPart,
)
from workers.destinations.folder import FolderReceiver
from workers.destinations.http_peer import HttpPeer
from workers.destinations.parcels import Receiver
from workers.destinations.stow import StowReceiver
from workers.destinations.webhook import Webhook
from workers.jobs import PlannedDelivery

Part = StowPart | CStorePart | FolderPart | WebhookPart


@dataclass(frozen=True)
class Destination:
    """One destination; `template`: its own, which outweighs a rule's; `place`: for people."""

    name: str
    kind: str
    place: str
    sender: Receiver | Webhook
    template: str | None = None
    events: tuple[str, ...] = ()
    at_once: int = 1


@dataclass(frozen=True)
class Destinations:
    """All destinations of a site."""

    by_name: Mapping[str, Destination]

    def pick(self, name: str) -> Destination:
        """The destination of that name, or `UnknownDestinationError` naming those there are."""
        if name not in self.by_name:
            raise UnknownDestinationError(name, sorted(self.by_name))
        return self.by_name[name]

    @property
    def template_names(self) -> tuple[str, ...]:
        """The templates that destinations have of their own."""
        return tuple(dict.fromkeys(one.template for one in self.by_name.values() if one.template))


def read_destinations(file: Path | None, resolve: Resolve = resolve_host) -> Destinations:
    """The destinations in a file, none without one; `InvalidConfigurationError` with its lines."""
    if file is None:
        return Destinations({})
    written = read_yaml_file(file, DestinationFile)
    guard = AddressGuard(written.allowed_networks, resolve=resolve)
    return Destinations({one.name: _build(one, guard) for one in written.destinations})


def resolve_plan(
    planned: Iterable[PlannedDelivery], destinations: Destinations, first_template: str
) -> tuple[PlannedDelivery, ...]:
    """The plan of a rule with what the destinations say of themselves: template and events.

    `first_template`: the job's, for whoever wants none in particular. To be kept with the job:
    whoever ends it need not know the destinations.
    """
    resolved = []
    for one in planned:
        found = destinations.pick(one.destination)
        resolved.append(
            PlannedDelivery(found.name, events=found.events)
            if found.events
            else replace(one, template=found.template or one.template or first_template)
        )
    return tuple(dict.fromkeys(resolved))


def templates_for(
    planned: Iterable[PlannedDelivery], destinations: Destinations
) -> tuple[str, ...]:
    """The templates that a plan names, so that one run of the networks serves all destinations."""
    wanted = (destinations.pick(one.destination).template or one.template for one in planned)
    return tuple(dict.fromkeys(name for name in wanted if name is not None))


def _build(part: Part, guard: AddressGuard) -> Destination:
    if isinstance(part, FolderPart):
        folder = FolderReceiver(part.path, part.file_name, part.mode)
        return _describe(part, str(part.path), folder, part.template)
    guard = replace(guard, allows_local=part.allow_local)
    if isinstance(part, CStorePart):
        node = CStoreReceiver(
            part.host,
            part.port,
            part.called_ae,
            part.calling_ae,
            guard,
            part.timeout_seconds,
            None if part.tls is None else replace(_open(part.tls), verifies=part.tls.verify),
        )
        place = f"{part.called_ae} at {part.host}:{part.port}"
        return _describe(part, place, node, part.template)
    credentials = None if part.auth is None else _build_credentials(part.auth)
    peer = HttpPeer(part.url, guard, part.timeout_seconds, credentials, _open(part.tls))
    if isinstance(part, StowPart):
        return _describe(part, part.url, StowReceiver(peer), part.template)
    secret = Secret(part.secret_file, part.secret_env)
    webhook = Webhook(peer, secret, part.patient_data)
    described = _describe(part, part.url, webhook, None)
    return replace(described, events=tuple(event.value for event in part.events))


def _describe(
    part: Part, place: str, sender: Receiver | Webhook, template: str | None
) -> Destination:
    return Destination(part.name, part.kind, place, sender, template, at_once=part.at_once)


def _build_credentials(auth: BearerPart | BasicPart) -> Credentials:
    if isinstance(auth, BearerPart):
        return Credentials(Secret(auth.token_file, auth.token_env))
    return Credentials(Secret(auth.password_file, auth.password_env), auth.user)


def _open(tls: TlsPart) -> Certificates:
    return Certificates(tls.ca, tls.cert, tls.key)
