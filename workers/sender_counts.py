"""How many objects of a series its sender has, asked of the sender itself."""

from __future__ import annotations

import logging
import time
from typing import Any

import httpx
from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import AE

from workers.arrivals import Arrival
from workers.source_book import CountEntry, FindCount, QidoCount

ASK_SECONDS = 5.0
SILENT_SECONDS = 60.0  # a sender that does not answer is not asked again for so long
COUNT = "00201209"  # NumberOfSeriesRelatedInstances
STUDY_ROOT_FIND = UID("1.2.840.10008.5.1.4.1.2.2.1")
PENDING = (0xFF00, 0xFF01)

log = logging.getLogger(__name__)


class SenderCounts:
    """Asks senders, each at most once a minute while it does not answer."""

    def __init__(self) -> None:
        self._silent_until: dict[CountEntry, float] = {}

    def ask(self, entry: CountEntry | None, arrival: Arrival) -> int | None:
        """The sender's number; None where it is not to be asked or does not know."""
        if entry is None or time.monotonic() < self._silent_until.get(entry, 0.0):
            return None
        try:
            count = _ask(entry, arrival)
        except (
            httpx.HTTPError,
            OSError,
            ValueError,
            LookupError,
            TypeError,
            RuntimeError,
        ) as error:
            log.warning(
                "%s does not say how many objects it has: %s",
                arrival.source.shown,
                type(error).__name__,
            )
            self._silent_until[entry] = time.monotonic() + SILENT_SECONDS
            return None
        return count if count and count > 0 else None


def _ask(entry: CountEntry, arrival: Arrival) -> int | None:
    if entry.qido is not None:
        return _ask_by_qido(entry.qido, arrival)
    return None if entry.find is None else _ask_by_find(entry.find, arrival)


def _ask_by_qido(entry: QidoCount, arrival: Arrival) -> int | None:
    headers = {"Accept": "application/dicom+json"}
    if entry.bearer_token_file is not None:
        headers["Authorization"] = f"Bearer {entry.bearer_token_file.read_text().strip()}"
    address = f"{entry.url.rstrip('/')}/studies/{arrival.study_instance_uid}/series"
    wanted = {"SeriesInstanceUID": arrival.series_instance_uid, "includefield": COUNT}
    # The environment's proxies lead out of the hospital.
    with httpx.Client(trust_env=False, timeout=ASK_SECONDS) as http:
        answer = http.get(address, params=wanted, headers=headers).raise_for_status()
    found: list[dict[str, Any]] = answer.json() if answer.content else []
    counts = [int(series[COUNT]["Value"][0]) for series in found if COUNT in series]
    return max(counts, default=None)


def _ask_by_find(entry: FindCount, arrival: Arrival) -> int | None:
    """At the level of series (PS3.4 C.6.2.1)."""
    question = Dataset()
    question.QueryRetrieveLevel = "SERIES"
    question.StudyInstanceUID = arrival.study_instance_uid
    question.SeriesInstanceUID = arrival.series_instance_uid
    question.NumberOfSeriesRelatedInstances = None
    entity = AE(entry.calling_ae)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = ASK_SECONDS
    entity.connection_timeout = ASK_SECONDS
    entity.add_requested_context(STUDY_ROOT_FIND)
    association = entity.associate(entry.host, entry.port, ae_title=entry.called_ae)
    if not association.is_established:
        raise OSError(f"no association with {entry.called_ae} at {entry.host}:{entry.port}")
    try:
        counts = []
        for status, found in association.send_c_find(question, STUDY_ROOT_FIND):
            if status.get("Status") in PENDING and found is not None:
                counts.append(int(found.get("NumberOfSeriesRelatedInstances") or 0))
        return max(counts, default=None)
    finally:
        association.release()
