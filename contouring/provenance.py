"""Where a written object comes from: the model, the software and the time, all passed in."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime

from pydicom.uid import UID

from contouring.dicom_series import CTSeries
from contouring.template import Template

MANUFACTURER = "Oarlock"
NOT_REVIEWED = "AI, not reviewed"
IMPLEMENTATION_UID = UID("2.25.181373287420617404270431105128330417013")
LONGEST_LABEL, LONGEST_LINE, LONGEST_TEXT = 16, 64, 1024  # characters of SH, LO and ST (PS3.5 6.2)


@dataclass(frozen=True)
class Stamp:
    """What a written object says of its making; passed in, never taken from the clock here.

    `made_at`: when the job was accepted; `software_version`: Oarlock's.
    """

    made_at: datetime
    software_version: str


@dataclass(frozen=True)
class Origin:
    """The model that drew the contours: name, version and sha256 of card and weights.

    `runtime`: what ran its networks; `plan`: how they saw the scan, in words.
    """

    name: str
    version: str
    checksum: str
    runtime: str = ""
    plan: str = ""

    @property
    def description(self) -> str:
        """Model, version and the checksum's first 12 digits: fits LO (64)."""
        return f"{self.name} {self.version} ({self.checksum[:12]})"

    def parameters(self, template: Template) -> str:
        """All that decides a result besides the scan, for the algorithm's parameters."""
        parts = [
            f"model sha256 {self.checksum}",
            f"runtime {self.runtime}" if self.runtime else "",
            self.plan,
            f"template {template.name}",
            f"template sha256 {template.checksum}" if template.checksum else "",
        ]
        return "; ".join(part for part in parts if part)


def derive_uid(
    role: str, series: CTSeries, origin: Origin, stamp: Stamp, template: Template
) -> UID:
    """A UID under 2.25 (PS3.5 B.2) from everything that an object depends on.

    Its number is a UUID of version 8 (RFC 9562 5.8) made of a sha256. `role` parts the UIDs of one
    object from each other.
    """
    parts = [
        *(role, series.series_instance_uid),
        *(origin.name, origin.version, origin.checksum, origin.runtime, origin.plan),
        *(template.name, template.checksum),
        *(stamp.software_version, stamp.made_at.isoformat()),
        *(f"{instance.sop_instance_uid} {instance.frame}" for instance in series.instances),
    ]
    number = int.from_bytes(hashlib.sha256(json.dumps(parts).encode()).digest()[:16], "big")
    number = number & ~(0xF << 76) | 0x8 << 76  # version 8
    number = number & ~(0x3 << 62) | 0x2 << 62  # variant 10
    return UID(f"2.25.{number}")


def on_clock_of(series: CTSeries, made_at: datetime) -> datetime:
    """The time as the CT's TimezoneOffsetFromUTC, which is copied, has it; else as it is."""
    return on_clock_at(str(series.header.get("TimezoneOffsetFromUTC", "")), made_at)


def on_clock_at(offset: str, made_at: datetime) -> datetime:
    """The time at an offset from UTC such as +0100; as it is where that is none."""
    try:
        zone = datetime.strptime(offset, "%z").tzinfo
    except ValueError:
        return made_at
    return made_at.astimezone(zone)
