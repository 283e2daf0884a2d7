"""A parcel: a written structure set, and what senders say of it before they send it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Protocol

from pydicom import dcmread

from contouring.opened_files import open_file

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


@contextmanager
def opening_parcel(file: Path, job_id: str, template: str) -> Iterator[Parcel]:
    """The structure set in a file of the data folder; of an encrypted one a copy in memory.

    The copy has a path like any file, since senders want one, and is gone with its process.
    """
    with open_file(file) as opened:
        if isinstance(opened.raw, FileIO):
            yield read_parcel(file, job_id, template)
            return
        with os.fdopen(os.memfd_create("parcel"), "wb") as copy:
            shutil.copyfileobj(opened, copy)
            copy.flush()
            yield read_parcel(Path(f"/proc/self/fd/{copy.fileno()}"), job_id, template)


def read_parcel(file: Path, job_id: str, template: str) -> Parcel:
    """The structure set in a file."""
    header = dcmread(file, specific_tags=list(KEYWORDS), stop_before_pixels=True)
    uids = (str(header[keyword].value) for keyword in KEYWORDS)
    return Parcel(file, job_id, template, *uids)
