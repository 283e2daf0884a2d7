"""A parcel: a written structure set, and what senders say of it before they send it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydicom import dcmread

KEYWORDS = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID")


@dataclass(frozen=True)
class Parcel:
    """One structure set on the disk; UIDs as its dataset has them."""

    file: Path
    job_id: str
    template: str
    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str


class Receiver(Protocol):
    """A place that takes structure sets."""

    def send(self, parcel: Parcel) -> str:
        """Send it, whole; a note of what a person may want to know, or `DeliveryError`."""
        ...

    def probe(self) -> str:
        """What was found of the place, which nothing is sent to, or `DeliveryError`."""
        ...


def read_parcel(file: Path, job_id: str, template: str) -> Parcel:
    """The structure set in a file."""
    header = dcmread(file, specific_tags=list(KEYWORDS), stop_before_pixels=True)
    uids = (str(header[keyword].value) for keyword in KEYWORDS)
    return Parcel(file, job_id, template, *uids)
