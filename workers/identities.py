"""The border between those who know the patient and those who only contour; here there is none.

Workers of a site may stand elsewhere, and must then not learn who a patient is. What takes that off
on the way in and puts it back on the way out is the service's own (`service.identities`), as its
key is; `PLAIN` is for everybody else.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pydicom.dataset import Dataset

from contouring.dicom_files import read_header

if TYPE_CHECKING:
    from workers.arrivals import Arrival
    from workers.holdings import Holding
    from workers.instances import ReceivedInstance
    from workers.jobs import Job


class Identities(Protocol):
    """To hide is for what is kept; to reveal and to restore is for what leaves.

    Whatever reveals or restores raises `IdentityError` where it is not certain whose it is.
    """

    def hide(self, received: ReceivedInstance) -> ReceivedInstance:
        """An object as it is to be kept; raises `NotStorableError` for one that may not be."""

    def hide_uid(self, uid: str) -> str:
        """A UID as what is kept has it."""

    def hide_patient(self, patient_id: str) -> str:
        """A patient's ID as audit records are to make their pseudonym of it."""

    def hide_names(self, study_uid: str, series_uid: str, description: str) -> str:
        """What a series is called, for its jobs and arrivals, from its own UIDs."""

    def hide_words(self, words: str, series_uid: str) -> str:
        """A sentence about a series, of which `series_uid` is kept."""

    def reveal_words(self, words: str, series_uid: str) -> str:
        """The same sentence."""

    def reveal_instance(self, uid: str, kept: Path) -> str:
        """The SOP Instance UID with which a kept object came."""

    def reveal_job(self, job: Job) -> Job:
        """A job as people are to see it."""

    def reveal_arrival(self, arrival: Arrival) -> Arrival:
        """An arrival as people and its sender are to see it."""

    def reveal_holdings(
        self, found: Collection[Holding], *, leaves_out: bool = False
    ) -> tuple[Holding, ...]:
        """Objects under the UIDs that they came with; `leaves_out`: without those that cannot be
        told.
        """

    def reveal_report(self, content: bytes, job: Job) -> bytes:
        """What a worker wrote of a job, in JSON."""

    def read_header(self, kept: Path) -> Dataset:
        """What a kept object said when it came, without pixels."""

    def restored(
        self, kept: Path, job_id: str | None, *, is_whole: bool = True
    ) -> AbstractContextManager[Path]:
        """A kept object as a file that may leave, there until the block ends.

        `job_id`: whose result it is, None for what came in; `is_whole`: with its pixels.
        """


class PlainIdentities:
    """Everything is kept as it came."""

    def hide(self, received: ReceivedInstance) -> ReceivedInstance:
        """As it came."""
        return received

    def hide_uid(self, uid: str) -> str:
        """As it is."""
        return uid

    def hide_patient(self, patient_id: str) -> str:
        """As it is: of records the database's own key makes a pseudonym."""
        return patient_id

    def hide_names(self, study_uid: str, series_uid: str, description: str) -> str:
        """The description: the UIDs have columns of their own."""
        del study_uid, series_uid
        return description

    def hide_words(self, words: str, series_uid: str) -> str:
        """As they are."""
        del series_uid
        return words

    def reveal_words(self, words: str, series_uid: str) -> str:
        """As they are."""
        del series_uid
        return words

    def reveal_instance(self, uid: str, kept: Path) -> str:
        """As it is."""
        del kept
        return uid

    def reveal_job(self, job: Job) -> Job:
        """As it is."""
        return job

    def reveal_arrival(self, arrival: Arrival) -> Arrival:
        """As it is."""
        return arrival

    def reveal_holdings(
        self, found: Collection[Holding], *, leaves_out: bool = False
    ) -> tuple[Holding, ...]:
        """As they are."""
        del leaves_out
        return tuple(found)

    def reveal_report(self, content: bytes, job: Job) -> bytes:
        """As it is."""
        del job
        return content

    def read_header(self, kept: Path) -> Dataset:
        """As its file has it."""
        return read_header(kept)

    def restored(
        self, kept: Path, job_id: str | None, *, is_whole: bool = True
    ) -> AbstractContextManager[Path]:
        """The kept file itself."""
        del job_id, is_whole
        return nullcontext(kept)


PLAIN = PlainIdentities()
