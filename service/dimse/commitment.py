"""Storage Commitment Push Model (PS3.4 Annex J): what is asked, and what is answered."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from pydicom.dataset import Dataset
from pynetdicom import evt
from sqlalchemy.exc import SQLAlchemyError

from contouring.dicom_files import UNREADABLE
from service.dimse.reporter import Reporter
from workers.commitment_store import Commitment, CommitmentStore
from workers.holdings import Holding, Holdings
from workers.sources import Source

SUCCESS = 0x0000
PROCESSING_FAILURE = 0x0110
INVALID_ARGUMENT = 0x0115
NO_SUCH_ACTION = 0x0123
REQUEST_COMMITMENT = 1  # Action Type ID (J.3.2)
ALL_KEPT, SOME_NOT_KEPT = 1, 2  # Event Type IDs (J.3.3)
NOT_HERE = 0x0112  # reasons of failure (PS3.3 C.14.1.1)
OTHER_CLASS = 0x0119
FIRST_TRY_SECONDS = 15.0  # after which a request is reported even if its node has died
AT_ONCE = 500  # UIDs of one query

log = logging.getLogger(__name__)


class CommitmentRequests:
    """Takes requests: each is remembered before it is acknowledged."""

    def __init__(self, store: CommitmentStore, reporter: Reporter) -> None:
        self._store = store
        self._reporter = reporter

    def take(self, event: evt.Event, source: Source) -> tuple[int, None]:
        """The answer to an N-ACTION."""
        if event.action_type != REQUEST_COMMITMENT:
            return NO_SUCH_ACTION, None
        try:
            transaction_uid, objects = _read_request(event.action_information)
        except UNREADABLE:
            log.warning("%s: a commitment is asked for that cannot be read", source.shown)
            return INVALID_ARGUMENT, None
        try:
            commitment = self._store.add(transaction_uid, source, objects, FIRST_TRY_SECONDS)
        except SQLAlchemyError:
            log.exception("%s: a commitment that was asked for cannot be recorded", source.shown)
            return PROCESSING_FAILURE, None
        log.info("%s: a commitment to %d objects is asked for", source.shown, len(objects))
        self._reporter.expect(commitment, event.assoc)
        return SUCCESS, None


def build_report(commitment: Commitment, holdings: Holdings) -> tuple[int, Dataset]:
    """Event type and information of the N-EVENT-REPORT: what is kept by now, and what is not."""
    uids = [instance for _, instance in commitment.objects]
    kept = {
        one.sop_instance_uid: one
        for some in _split(uids, AT_ONCE)
        for one in holdings.find(objects=some, leaves_out=True)
    }
    done, failed = [], []
    for sop_class, instance in commitment.objects:
        item = _build_reference(sop_class, instance)
        reason = _find_failure(sop_class, kept.get(instance))
        if reason is None:
            done.append(item)
        else:
            item.FailureReason = reason
            failed.append(item)
    report = Dataset()
    report.TransactionUID = commitment.transaction_uid
    if done:
        report.ReferencedSOPSequence = done
    if failed:
        report.FailedSOPSequence = failed
    return (SOME_NOT_KEPT if failed else ALL_KEPT), report


def _read_request(request: Dataset) -> tuple[str, list[tuple[str, str]]]:
    objects = [
        (str(item.ReferencedSOPClassUID), str(item.ReferencedSOPInstanceUID))
        for item in request.ReferencedSOPSequence
    ]
    if not objects:
        raise ValueError("it names no object")
    return str(request.TransactionUID), objects


def _find_failure(sop_class: str, kept: Holding | None) -> int | None:
    if kept is None or not kept.path.is_file():
        return NOT_HERE
    return None if kept.sop_class_uid == sop_class else OTHER_CLASS


def _build_reference(sop_class: str, instance: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = sop_class
    item.ReferencedSOPInstanceUID = instance
    return item


def _split(uids: Iterable[str], size: int) -> Iterator[Sequence[str]]:
    left = iter(uids)
    while some := list(islice(left, size)):
        yield some
