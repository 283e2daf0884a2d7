"""Who uses a data folder: services and workers together, or a restore alone.

A lock of the kernel's (flock) on a file in the folder: it goes with its last process, however that
ends, and children that are forked hold it with their parent. On network file systems it is as good
as their server's locks; where there are none at all, nothing is held and nothing is refused.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contouring.errors import DataLockedError

LOCK = ".lock"
UNKNOWN = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)  # the file system has no such locks

log = logging.getLogger(__name__)


@contextmanager
def sharing_data(data: Path) -> Iterator[None]:
    """As long as a service, a worker or a DICOM node runs; raises `DataLockedError`."""
    with _locked(data, fcntl.LOCK_SH):
        yield


@contextmanager
def owning_data(data: Path) -> Iterator[None]:
    """As long as nobody else may use it; raises `DataLockedError` where somebody does."""
    with _locked(data, fcntl.LOCK_EX):
        yield


@contextmanager
def _locked(data: Path, kind: int) -> Iterator[None]:
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(data / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise DataLockedError(str(data)) from error
    except OSError as error:
        if error.errno not in UNKNOWN:
            os.close(descriptor)
            raise
        log.warning("the data folder's file system has no locks: a restore cannot see this process")
    try:
        yield
    finally:
        os.close(descriptor)
