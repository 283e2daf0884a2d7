"""The border of a site whose workers stand elsewhere: what is kept tells of no patient.

What is taken off an object is sealed with the site's key, for this object alone, and stored in the
transaction that stores the object. It is put back on whatever leaves, or that does not leave.
"""

from __future__ import annotations

import logging
import re
import uuid
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset

from contouring.dicom_files import UNREADABLE, telling_damage
from contouring.errors import IdentityError, NotStorableError, TamperedIdentityError
from contouring.patient_and_study import read_copied_header
from service.identities.deidentifier import Deidentifier
from service.identities.identity_key import IdentityKey
from service.identities.kept_object import split_object, write_kept, write_original
from service.identities.restored_results import OriginalScan, restore_result
from service.identities.sealed_words import SealedWords, SeriesNames
from service.identities.uid_record import UidRecord, decode_uid_record
from workers.arrivals import Arrival
from workers.disk_space import check_space
from workers.durable_files import write_file
from workers.holdings import Holding
from workers.identity_store import IdentityStore
from workers.instance_files import InstanceFiles
from workers.instances import ReceivedInstance, SealedIdentity
from workers.job_store import JobStore
from workers.jobs import Job, build_series_digest

REMEMBERED = 50_000  # records of UIDs, of some 500 bytes
LENGTH_BYTES = 8  # of a header's first part, before both
UID_TOKEN = re.compile(rb"2\.25\.[0-9]+")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Places:
    """`staging`: where what is kept is written first, and what must stay free there.

    `own`: a folder of the service alone.
    """

    staging: Path
    reserve_bytes: int
    own: Path


class SealedIdentities:
    """Seals with one site's key what is kept in one database."""

    def __init__(
        self,
        key: IdentityKey,
        deidentifier: Deidentifier,
        store: IdentityStore,
        jobs: JobStore,
        files: InstanceFiles,
        places: Places,
    ) -> None:
        self._key = key
        self._words = SealedWords(key)
        self._deidentifier = deidentifier
        self._store = store
        self._jobs = jobs
        self._files = files
        self._places = places
        self._known: dict[str, UidRecord] = {}  # by checksum of what is kept

    def hide(self, received: ReceivedInstance) -> ReceivedInstance:
        """Without what tells of the patient; the file is another one, the given one stays."""
        content = self._key.hide_content(received.sha256)
        hidden = self._hide_identity(received)
        if not received.is_ct:  # of which nothing but this is kept
            return replace(hidden, sha256=content)
        check_space(self._places.staging, received.size, self._places.reserve_bytes)
        target = self._places.staging / f"hidden-{uuid.uuid4().hex}"
        with ExitStack() as failing:
            failing.callback(target.unlink, missing_ok=True)
            try:
                with telling_damage():
                    kept = self._hide_file(received, hidden, content, target)
            except UNREADABLE as error:
                raise NotStorableError("its header is damaged") from error
            failing.pop_all()
        return kept

    def hide_uid(self, uid: str) -> str:
        """The same for the same, made with the key."""
        return self._key.hide_uid(uid)

    def hide_patient(self, patient_id: str) -> str:
        """The same for the same, made with the key: the database's own is open to workers."""
        return self._key.hide_patient(patient_id)

    def hide_names(self, study_uid: str, series_uid: str, description: str) -> str:
        """All three, sealed."""
        return self._words.seal_names(SeriesNames(study_uid, series_uid, description))

    def hide_words(self, words: str, series_uid: str) -> str:
        """Sealed."""
        return self._words.seal(words, series_uid)

    def reveal_words(self, words: str, series_uid: str) -> str:
        """Of the same series; raises `TamperedIdentityError`."""
        return self._words.open(words, series_uid)

    def reveal_instance(self, uid: str, kept: Path) -> str:
        """As its sealed record has it."""
        del uid
        return self._find_records([kept.stem])[kept.stem].sop_instance_uid

    def reveal_job(self, job: Job) -> Job:
        """With the series' own names, and what was found of it in words."""
        if not job.series_instance_uid:  # it was purged
            return job
        kept_uid = job.series_instance_uid
        names = self._words.open_names(job.series_description, kept_uid)
        failure = job.failure
        if failure is not None:
            failure = replace(failure, reason=self._reveal_words(failure.reason, job))
        return replace(
            job,
            study_instance_uid=names.study_instance_uid,
            series_instance_uid=names.series_instance_uid,
            series_description=names.description,
            warnings=tuple(self._reveal_words(one, job) for one in job.warnings),
            failure=failure,
        )

    def reveal_arrival(self, arrival: Arrival) -> Arrival:
        """With the series' own names, and what was found of it in words."""
        kept_uid = arrival.series_instance_uid
        names = self._words.open_names(arrival.description, kept_uid)
        return replace(
            arrival,
            study_instance_uid=names.study_instance_uid,
            series_instance_uid=names.series_instance_uid,
            description=names.description,
            reason=self._words.open(arrival.reason, kept_uid),
        )

    def reveal_holdings(
        self, found: Collection[Holding], *, leaves_out: bool = False
    ) -> tuple[Holding, ...]:
        """What came in by its own UIDs; results by their own, in the study that they are of."""
        find = self._find_sound if leaves_out else self._find_records
        records = find([one.path.stem for one in found if one.job_id is None])
        studies = self._find_studies({one.job_id for one in found if one.job_id}, leaves_out)
        return tuple(
            replace(one, study_instance_uid=studies[one.job_id])
            if one.job_id is not None
            else _reveal_holding(one, records[one.path.stem])
            for one in found
            if one.job_id in studies or one.path.stem in records
        )

    def reveal_report(self, content: bytes, job: Job) -> bytes:
        """With the original's UIDs wherever it names one."""
        if not UID_TOKEN.search(content):
            return content
        uids = {
            hidden.encode(): uid.encode()
            for record in self._find_series(job)
            for hidden, uid in record.uids.items()
        }
        return UID_TOKEN.sub(lambda token: uids.get(token.group(), token.group()), content)

    def read_header(self, kept: Path) -> Dataset:
        """Of the object that came in."""
        head, _ = self._open_header(kept.stem)
        with telling_damage():
            return dcmread(BytesIO(head), stop_before_pixels=True)

    @contextmanager
    def restored(self, kept: Path, job_id: str | None, *, is_whole: bool = True) -> Iterator[Path]:
        """A file in the service's own folder, and not there any more at the end of the block."""
        target = self._places.own / f"restored-{uuid.uuid4().hex}"
        try:
            if job_id is not None:
                write_file(target, self._restore_result(kept, self._jobs.find(job_id)))
            elif is_whole:
                self._restore_object(kept, target)
            else:
                write_file(target, self._open_header(kept.stem)[0])
            yield target
        finally:
            target.unlink(missing_ok=True)

    def _find_sound(self, sha256s: Sequence[str]) -> Mapping[str, UidRecord]:
        """Without those that cannot be told: few, so halves without them are found at once."""
        try:
            return self._find_records(sha256s)
        except IdentityError as error:
            if len(sha256s) == 1:
                log.error("object %s is left out: %s", sha256s[0], error.fault)
                return {}
        half = len(sha256s) // 2
        return {**self._find_sound(sha256s[:half]), **self._find_sound(sha256s[half:])}

    def _find_studies(self, job_ids: Collection[str], leaves_out: bool) -> Mapping[str, str]:
        studies = {}
        for job_id in job_ids:
            try:
                studies[job_id] = self.reveal_job(self._jobs.find(job_id)).study_instance_uid
            except IdentityError as error:
                if not leaves_out:
                    raise
                log.error("results of job %s are left out: %s", job_id, error.fault)
        return studies

    def _hide_identity(self, received: ReceivedInstance) -> ReceivedInstance:
        names = SeriesNames(
            received.study_instance_uid, received.series_instance_uid, received.description
        )
        return replace(
            received,
            sop_instance_uid=self._key.hide_uid(received.sop_instance_uid),
            series_instance_uid=self._key.hide_uid(received.series_instance_uid),
            study_instance_uid=self._key.hide_uid(received.study_instance_uid),
            description=self._words.seal_names(names),
            patient_id=self.hide_patient(received.patient_id),
            sent=received,
        )

    def _hide_file(
        self, received: ReceivedInstance, hidden: ReceivedInstance, content: str, target: Path
    ) -> ReceivedInstance:
        parts = split_object(received.path)
        if str(parts.header.get("BurnedInAnnotation", "")).strip() == "YES":
            raise NotStorableError(
                "it says that words are burned into its pixels (BurnedInAnnotation YES), which may "
                "name the patient and cannot be taken off"
            )
        uids = self._deidentifier.deidentify(parts.header, content)
        sha256, size = write_kept(parts, received.path, target)
        known = self._store.find_kept(content)
        if known not in (None, sha256) and self._files.find(known).exists():
            # Another edition of the standard's table made other bytes of it: what is kept stays.
            target.unlink()
            target.hardlink_to(self._files.find(known))
            sha256, size = known, target.stat().st_size
        record = UidRecord(
            received.study_instance_uid,
            received.series_instance_uid,
            received.sop_instance_uid,
            received.sha256,
            uids,
        )
        head = len(parts.head).to_bytes(LENGTH_BYTES, "big") + parts.head + parts.tail
        sealed = SealedIdentity(
            content,
            self._key.seal(record.encode(), f"uids {sha256}"),
            self._key.seal(zlib.compress(head), f"header {sha256}"),
        )
        return replace(hidden, path=target, sha256=sha256, size=size, identity=sealed)

    def _restore_object(self, kept: Path, target: Path) -> None:
        (record,) = self._find_records([kept.stem]).values()
        head, tail = self._open_header(kept.stem)
        if write_original(head, kept, tail, target) != record.content:
            raise TamperedIdentityError("its pixels are not those that came in.")

    def _restore_result(self, kept: Path, job: Job) -> bytes:
        records = self._find_series(job)
        names = self._words.open_names(job.series_description, job.series_instance_uid)
        first = next(iter(self._store.find_series(job.series_digest).values()))
        header = self.read_header(self._files.find(first))
        scan = OriginalScan(
            study_instance_uid=names.study_instance_uid,
            frame_of_reference_uid=str(header.FrameOfReferenceUID),
            uids={hidden: uid for one in records for hidden, uid in one.uids.items()},
            instances=frozenset(one.sop_instance_uid for one in records),
            header=read_copied_header(BytesIO(self._open_header(first)[0])),
            time_zone=str(header.get("TimezoneOffsetFromUTC", "")),
        )
        try:
            return restore_result(kept.read_bytes(), scan, job.created_at)
        except UNREADABLE as error:
            raise TamperedIdentityError("the worker's file cannot be read.") from error

    def _reveal_words(self, words: str, job: Job) -> str:
        opened = self._words.open(words, job.series_instance_uid)
        return self.reveal_report(opened.encode(), job).decode()

    def _find_series(self, job: Job) -> list[UidRecord]:
        """Of all slices of a job's series, in their order; each is what its place says it is."""
        instances = self._store.find_series(job.series_digest)
        if instances and build_series_digest(instances.items()) != job.series_digest:
            raise TamperedIdentityError("the slices of the job's series were changed.")
        records = self._find_records(instances.values())
        found = [records[sha256] for sha256 in instances.values()]
        for uid, record in zip(instances, found, strict=True):
            own = record.sop_instance_uid, record.series_instance_uid, record.study_instance_uid
            wanted = (uid, job.series_instance_uid, job.study_instance_uid)
            if tuple(self._key.hide_uid(one) for one in own) != wanted:
                raise TamperedIdentityError("a slice of the job is not of its series.")
        if not found:
            raise IdentityError("the slices of the job's series are not known any more.")
        return found

    def _find_records(self, sha256s: Collection[str]) -> Mapping[str, UidRecord]:
        known = self._known  # another thread may begin a new one
        unknown = [one for one in sha256s if one not in known]
        sealed = self._store.find_uids(unknown) if unknown else {}
        if sealed.keys() != set(unknown):
            raise IdentityError("what was taken off it is not there any more.")
        opened = {
            one: decode_uid_record(self._key.unseal(uids, f"uids {one}"))
            for one, uids in sealed.items()
        }
        found = {one: opened.get(one) or known[one] for one in sha256s}
        if len(known) > REMEMBERED:
            self._known = known = {}
        known |= opened
        return found

    def _open_header(self, sha256: str) -> tuple[bytes, bytes]:
        """What stood before the pixels, and behind them."""
        sealed = self._store.find([sha256]).get(sha256)
        if sealed is None:
            raise IdentityError("what was taken off it is not there any more.")
        content = zlib.decompress(self._key.unseal(sealed.header, f"header {sha256}"))
        end = LENGTH_BYTES + int.from_bytes(content[:LENGTH_BYTES], "big")
        return content[LENGTH_BYTES:end], content[end:]


def _reveal_holding(one: Holding, record: UidRecord) -> Holding:
    return replace(
        one,
        study_instance_uid=record.study_instance_uid,
        series_instance_uid=record.series_instance_uid,
        sop_instance_uid=record.sop_instance_uid,
    )
