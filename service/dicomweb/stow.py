"""STOW-RS: objects received, each durable before it is acknowledged."""

from __future__ import annotations

import errno
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from contouring.errors import NotStorableError
from service.dicomweb.stow_answer import (
    CANNOT_UNDERSTAND,
    OUT_OF_RESOURCES,
    PROCESSING_FAILURE,
    FailedInstance,
    StowAnswer,
)
from service.dicomweb.stow_body import StowBody
from service.staged_files import StagedFile
from workers.encryption.vault import settle
from workers.identities import PLAIN, Identities
from workers.instances import ReceivedInstance, identify
from workers.reception import Reception
from workers.settings import Settings

SYNC_THREADS = 6
"""Waiting for the disk while the next objects arrive."""
KEEP_SECONDS = 1.0
"""Between two commits of one request: a sender that pauses has what it sent so far recorded."""


class StowRequest:
    """One request: bytes go in, objects are kept as they become complete, an answer comes out."""

    def __init__(
        self,
        content_type: str,
        study_instance_uid: str | None,
        folder: Path,
        reception: Reception,
        limits: Settings,
        identities: Identities = PLAIN,
    ) -> None:
        self._study_instance_uid = study_instance_uid
        self._reception = reception
        self._limits = limits.dicom_limits
        self._identities = identities
        self._pool = ThreadPoolExecutor(SYNC_THREADS)
        self._pending: list[Future[ReceivedInstance | FailedInstance]] = []
        self._stored: list[ReceivedInstance] = []
        self._failed: list[FailedInstance] = []
        self._kept_at = time.monotonic()
        self._body = StowBody(content_type, folder, limits, self._take)

    def feed(self, piece: bytes) -> None:
        """Take the next piece of the body."""
        self._body.feed(piece)
        if time.monotonic() - self._kept_at >= KEEP_SECONDS:
            self._keep([future for future in self._pending if future.done()])

    def close(self) -> StowAnswer | None:
        """The body is over: everything that is answered as stored is; None where it was empty."""
        self._body.close()
        self._keep(list(self._pending))
        stored = [one.as_sent for one in self._stored]
        return StowAnswer(stored, self._failed) if self._body.count else None

    def abandon(self) -> None:
        """Stop waiting for anything."""
        self._pool.shutdown(cancel_futures=True)

    def _take(self, file: StagedFile) -> None:
        self._pending.append(self._pool.submit(self._examine, file))

    def _examine(self, file: StagedFile) -> ReceivedInstance | FailedInstance:
        try:
            instance = identify(file.path, file.sha256, self._limits)
        except NotStorableError as error:
            file.path.unlink()
            return FailedInstance(CANNOT_UNDERSTAND, str(error))
        if self._study_instance_uid not in (None, instance.study_instance_uid):
            file.path.unlink()
            explanation = "The object belongs to another study than the one it was sent to."
            return FailedInstance(PROCESSING_FAILURE, explanation, instance)
        try:
            hidden = self._identities.hide(instance)
            if hidden is instance and instance.is_ct:
                settle(file.path, instance.study_instance_uid, file.sha256)
        except NotStorableError as error:
            return FailedInstance(CANNOT_UNDERSTAND, str(error), instance)
        except OSError as error:
            return _fail(instance, error)
        return hidden

    def _keep(self, futures: list[Future[ReceivedInstance | FailedInstance]]) -> None:
        results = [future.result() for future in futures]
        taken = set(futures)
        self._pending = [future for future in self._pending if future not in taken]
        self._failed += [one for one in results if isinstance(one, FailedInstance)]
        received = [one for one in results if isinstance(one, ReceivedInstance)]
        self._kept_at = time.monotonic()
        if not received:
            self._reception.touch()
            return
        try:
            self._reception.keep(received)
        except OSError as error:
            self._failed += [_fail(one.as_sent, error) for one in received]
        else:
            self._stored += received


def _fail(instance: ReceivedInstance, error: OSError) -> FailedInstance:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        explanation = "The server has no room left: send it again later."
        return FailedInstance(OUT_OF_RESOURCES, explanation, instance, is_our_fault=True)
    explanation = f"The server's storage failed ({error.strerror}): send it again later."
    return FailedInstance(PROCESSING_FAILURE, explanation, instance, is_our_fault=True)
