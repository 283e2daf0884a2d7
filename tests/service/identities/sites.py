"""A site whose workers stand elsewhere, without processes: its border, database and folders."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from contouring.dicom_series import CTSeries, find_series, read_series
from contouring.provenance import Stamp
from service.identities.border import open_identities
from service.identities.identity_key import make_key_file
from workers.arrival_store import ArrivalStore
from workers.arrivals import ArrivalState, Verdict
from workers.content_hash import ContentHash
from workers.database import migrate, open_engine
from workers.identities import Identities
from workers.instance_files import InstanceFiles
from workers.instances import ReceivedInstance, identify
from workers.job_store import JobStore
from workers.jobs import Job, NewJob, Priority, build_series_digest
from workers.series_store import SeriesStore
from workers.settings import Settings
from workers.sources import Source, SourceKind

SOURCE = Source("test", SourceKind.UPLOAD)
PROFILE = "basic"


@dataclass(frozen=True)
class Site:
    """`folder` holds data, key and the service's own staging."""

    folder: Path
    settings: Settings
    engine: Engine
    identities: Identities
    files: InstanceFiles
    series: SeriesStore
    jobs: JobStore

    def keep(self, sent: Iterable[Path]) -> tuple[ReceivedInstance, ...]:
        """Take files in as an upload does."""
        received = []
        for path in sent:
            staged = self.folder / "staging" / uuid.uuid4().hex
            staged.write_bytes(path.read_bytes())
            checksum = ContentHash()
            checksum.update(staged.read_bytes())
            received.append(self.identities.hide(identify(staged, checksum.hexdigest())))
        self.files.keep(received)
        verdict = Verdict(ArrivalState.ACCEPTED, evidence="It was uploaded as a whole.")
        ArrivalStore(self.engine).note_whole(SOURCE, received, verdict)
        return tuple(received)

    def make_job(self, received: Iterable[ReceivedInstance]) -> Job:
        """A job of a kept series, as the service records one."""
        checksums = {self.files.find(one.sha256): one.sha256 for one in received}
        search = find_series(list(checksums), read=self.identities.read_header)
        (series,) = search.series
        hide = self.identities.hide_uid
        instances = {hide(one.sop_instance_uid): checksums[one.path] for one in series.instances}
        digest = build_series_digest(instances.items())
        self.series.keep(digest, [one.path for one in series.instances])
        series_uid = hide(series.series_instance_uid)
        (job,) = self.jobs.add(
            [
                NewJob(
                    series_digest=digest,
                    study_instance_uid=hide(series.study_instance_uid),
                    series_instance_uid=series_uid,
                    series_description=self.identities.hide_names(
                        series.study_instance_uid, series.series_instance_uid, series.description
                    ),
                    slice_count=len(series.instances),
                    model_name="commissioning",
                    model_checksum=hashlib.sha256(b"model").hexdigest(),
                    parameters={"templates": []},
                    priority=Priority.NORMAL,
                    warnings=tuple(
                        self.identities.hide_words(str(one), series_uid) for one in series.warnings
                    ),
                    instances=instances,
                )
            ]
        )
        return job

    def read_as_worker(self, job: Job) -> CTSeries:
        """The series as a worker sees it."""
        return read_series(self.series.find_folder(job.series_digest), has_known_names=False)

    def restore(self, content: bytes, job: Job) -> bytes:
        """What leaves of a file that a worker wrote."""
        kept = self.folder / f"{uuid.uuid4().hex}.dcm"
        kept.write_bytes(content)
        with self.identities.restored(kept, job.id) as path:
            return path.read_bytes()


def stamp_of(job: Job) -> Stamp:
    """As a worker stamps what it writes."""
    return Stamp(job.created_at, "0.1.0")


def open_site(folder: Path, **changes: Any) -> Site:
    """A site that keeps no names; opened anew on the same folder, it is the same."""
    staging = folder / "staging"
    staging.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = folder / "identity.key"
    if not key.exists():
        make_key_file(key)
    settings = Settings(
        **{
            "data": folder / "data",
            "staging": staging,
            "deidentify": PROFILE,
            "identity_key_file": key,
            **changes,
        }
    )
    settings.data.mkdir(parents=True, exist_ok=True)
    engine = open_engine(settings.sql_url)
    migrate(engine)
    files = InstanceFiles(settings.data)
    series = SeriesStore(settings.data, settings.incoming_folder)
    identities = open_identities(settings, engine, files, series)
    return Site(folder, settings, engine, identities, files, series, JobStore(engine))
