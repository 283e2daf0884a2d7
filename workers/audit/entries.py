"""What is recorded of one event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from workers.audit.actors import Actor
from workers.audit.events import AuditEvent, Outcome

Details = Mapping[str, str | int]

DETAILS = frozenset(
    {
        "attributes",  # keywords that were searched by
        "changed",  # parts of the configuration
        "destination",
        "fault",  # a stable code
        "first",  # number of the first record that is kept
        "folded",  # refusals like this one that have no record of their own
        "hits",
        "instances",
        "key",  # the part of a key that may be shown
        "destinations",  # checksums of the configuration's parts
        "models",
        "name",  # of a key, or a user's subject
        "project",
        "rules",
        "settings",
        "sources",
        "templates",
        "reason",  # PS3.8 9.3.4, as numbers
        "roles",
        "route",  # a pattern, without its values
        "state",
        "template",
        "tries",
        "what",
        "with",  # another job
    }
)
"""All that may be told beside: codes, names of the site's own and numbers, no sentences."""


@dataclass(frozen=True)
class AuditEntry:
    """An event before it is recorded.

    `actor`: None means whoever asked; `patient_id`: only a pseudonym of it is kept.
    """

    event: AuditEvent
    outcome: Outcome = Outcome.SUCCESS
    actor: Actor | None = None
    job_id: str = ""
    study_uid: str = ""
    patient_id: str = ""
    details: Details = field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = self.details.keys() - DETAILS
        if unknown:
            raise ValueError(f"an audit record has no room for {', '.join(sorted(unknown))}")


@dataclass(frozen=True)
class AuditRecord:
    """An event as it stands in the chain; `previous` and `hash`: SHA-256 (hex)."""

    number: int
    at: datetime
    event: AuditEvent
    outcome: Outcome
    actor: Actor
    request_id: str
    process: str
    job_id: str
    study_uid: str
    patient: str  # a pseudonym
    details: Details
    previous: str
    hash: str
