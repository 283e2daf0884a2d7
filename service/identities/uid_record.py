"""Which object is which: the UIDs that were taken off it, and the checksum of what came in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class UidRecord:
    """`content`: SHA-256 (hex) of the object that came in; `uids`: original ones by hidden ones."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    content: str
    uids: Mapping[str, str]

    def encode(self) -> bytes:
        """As it is sealed."""
        return json.dumps(asdict(self), sort_keys=True).encode()


def decode_uid_record(content: bytes) -> UidRecord:
    """What was encoded."""
    return UidRecord(**json.loads(content))
