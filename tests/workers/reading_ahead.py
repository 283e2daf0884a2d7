"""A worker that reads ahead, as its tests look at it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from sqlalchemy import Engine, select

from contouring.dicom_series import read_series
from contouring.errors import JobCancelledError
from contouring.pipeline import contour_series
from contouring.provenance import Stamp
from models.templates import GENERIC
from workers import tables
from workers.attempt import Workplace
from workers.jobs import Job
from workers.lease_store import LeaseStore
from workers.prefetch import Prefetch, Prepared
from workers.series_store import SeriesStore

MANY_BYTES = 2**30


def claim(leases: LeaseStore) -> Job:
    """The next job, which there must be."""
    job = leases.claim("worker")
    assert job is not None
    return job


def read_rows(engine: Engine) -> list[tuple[object, ...]]:
    """All there is of all jobs."""
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(select(tables.jobs))]


class Watched(Prefetch):
    """Notes for which jobs it had something."""

    def __init__(self, leases: LeaseStore, store: SeriesStore, most_bytes: int) -> None:
        super().__init__(leases, store, most_bytes)
        self.was_used: list[bool] = []

    def take(self, digest: str, check: Callable[[], None]) -> Prepared | None:
        """As it does."""
        taken = super().take(digest, check)
        self.was_used.append(taken is not None)
        return taken


def contour(place: Workplace, job: Job) -> bytes:
    """The structure set of a job that nobody runs."""
    series = read_series(place.series.find_folder(job.series_digest), has_known_names=False)
    cascade = place.predictors.open(job.model_name, job.model_checksum)
    stamp = Stamp(job.created_at, version("oarlock"))
    return contour_series(series, cascade, stamp, (GENERIC,)).outputs[0].rtstruct


def list_open_files() -> list[str]:
    """Where each of this process's file descriptors leads."""
    links = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            links.append(str(descriptor.readlink()))
    return links


def cancel() -> None:
    """Somebody has."""
    raise JobCancelledError("7")
