"""The series of the next job, read while the network of this one runs.

A hint that binds nobody: which job comes next is only looked up, and is claimed like any other. If
another one is claimed, or the files are no longer what they were, what was read is dropped. What
goes wrong here is nobody's error: the job reads its series itself, and meets what there is to meet.
"""

from __future__ import annotations

import logging
import math
import os
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sqlalchemy.exc import SQLAlchemyError

from contouring.dicom_series import CTSeries, read_series
from contouring.volume import CTVolume, build_volume
from workers.jobs import Job
from workers.lease_store import LeaseStore
from workers.series_store import SeriesStore

MOST_BYTES = 256 * 1024 * 1024  # 512 slices of 512 x 512: little beside the 4 GB of a worker
# On a busy core a third of what another thread gets. Not much less: it reads headers in Python,
# and while it waits for a core with Python's lock in its hands, the job waits with it.
NICENESS = 5
WAIT_SECONDS = 0.1  # between two looks whether the job that waits for its series is still wanted
DROP_SECONDS = 10.0  # for the slice that is being read; after it, the reading ends by itself
KEEP_SECONDS = 1800.0  # in a worker that gets no other job

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Prepared:
    """A series with its voxels."""

    series: CTSeries
    ct: CTVolume


class Prefetch:
    """At most one series at a time, of at most `most_bytes` of voxels; 0 turns it off.

    None: of `MOST_BYTES`, and only beside networks on a GPU. Those on the CPU lose as much time to
    it as it saves (`docs/decisions/0011`).
    """

    def __init__(self, leases: LeaseStore, store: SeriesStore, most_bytes: int | None) -> None:
        self._leases, self._store = leases, store
        self._needs_gpu = most_bytes is None
        self._most_bytes = MOST_BYTES if most_bytes is None else most_bytes
        self._turn = threading.Lock()
        self._reading: _Reading | None = None

    def begin(self, job: Job, is_on_gpu: bool) -> None:
        """Read what comes after `job`, in a thread beside it, unless that was found before."""
        is_wanted = self._most_bytes > 0 and (is_on_gpu or not self._needs_gpu)
        if not is_wanted or self._reading is not None or self._turn.locked():
            return
        with suppress(SQLAlchemyError, RuntimeError):  # RuntimeError: no thread is left
            digest = self._leases.find_next(job)
            if digest is not None:
                folder = self._store.find_folder(digest)
                self._reading = _Reading(digest, folder, self._most_bytes, self._turn)

    def take(self, digest: str, check: Callable[[], None]) -> Prepared | None:
        """What was read of a series, once; None: whoever asks must read for himself.

        It is waited for as long as `check` does not raise. Whatever else was read is dropped.
        """
        reading, self._reading = self._reading, None
        if reading is None:
            return None
        try:
            return reading.wait(check) if reading.digest == digest else None
        finally:
            reading.stop()

    def drop(self) -> bool:
        """Forget what was read; whether there was anything."""
        reading, self._reading = self._reading, None
        if reading is None:
            return False
        reading.stop()
        reading.join()
        return True

    def give_up(self) -> bool:
        """The same, and read nothing ahead from now on: this process is short of memory."""
        self._most_bytes = 0
        return self.drop()


class _Reading:
    """One series being read in a thread, which begins at once and holds `turn` until it ends."""

    def __init__(self, digest: str, folder: Path, most_bytes: int, turn: threading.Lock) -> None:
        self.digest = digest
        self._folder, self._most_bytes, self._turn = folder, most_bytes, turn
        self._found: Prepared | None = None
        self._marks: _Marks = ()
        self._stopped, self._ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="prefetch", daemon=True)
        self._thread.start()

    def wait(self, check: Callable[[], None]) -> Prepared | None:
        """What was read, if the files are still the same; `check` may raise to wait no longer."""
        while not self._ended.wait(WAIT_SECONDS):
            check()
        found = self._found
        return found if found is not None and _read_marks(self._folder) == self._marks else None

    def stop(self) -> None:
        """Read no further, and keep nothing."""
        self._stopped.set()

    def join(self) -> None:
        """Wait until a reading that was stopped has given back its memory."""
        self._thread.join(DROP_SECONDS)

    def _run(self) -> None:
        with self._turn:  # one that was stopped may still be busy with its last slice
            _lower_priority()
            self._found = self._read()
            self._ended.set()
            if self._found is not None:
                self._stopped.wait(KEEP_SECONDS)
                self._found = None

    def _read(self) -> Prepared | None:
        try:
            self._marks = _read_marks(self._folder)
            series = read_series(self._folder, has_known_names=False)
            if _count_bytes(series) > self._most_bytes:
                return None
            return Prepared(series, build_volume(series, self._go_on))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is for the job itself to meet
            # Without the error's own words, which may be the patient's.
            log.debug("the next series was not read ahead (%s)", type(error).__name__)
            return None

    def _go_on(self, _fraction: float) -> None:
        if self._stopped.is_set():
            raise CancelledError


def _lower_priority() -> None:
    """Of this thread alone, as Linux does it, and of what it starts."""
    thread = threading.get_native_id()
    with suppress(OSError):
        nice = os.getpriority(os.PRIO_PROCESS, thread) + NICENESS
        os.setpriority(os.PRIO_PROCESS, thread, nice)


_Marks = tuple[tuple[str, int, int, int, int], ...]


def _read_marks(folder: Path) -> _Marks:
    """What the files of a folder are known by; empty if there is none."""
    with suppress(OSError), os.scandir(folder) as entries:
        told = [(entry.name, entry.stat()) for entry in entries]
        return tuple(
            sorted((n, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns) for n, s in told)
        )
    return ()


def _count_bytes(series: CTSeries) -> int:
    """Of its voxels, and of files of many frames, which are read whole."""
    whole = {one.path for one in series.instances if one.frame is not None}
    voxels = math.prod(series.shape_zyx) * np.dtype(np.int16).itemsize
    return voxels + sum(path.stat().st_size for path in whole)
