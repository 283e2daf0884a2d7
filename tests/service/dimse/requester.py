"""A modality that asks for storage commitments."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE, evt
from pynetdicom.sop_class import StorageCommitmentPushModel

from tests.service.dimse.peers import CT, RunningNode
from tests.workers.processes import wait_until

INSTANCE_UID = "1.2.840.10008.1.20.1.1"


class Requester:
    """A modality that asks for commitments and hears the reports."""

    def __init__(self) -> None:
        self.reports: list[tuple[int, Dataset]] = []
        self.entity = AE("MODALITY")
        self.entity.add_requested_context(StorageCommitmentPushModel)
        self.entity.add_requested_context(CT)
        self.entity.add_supported_context(StorageCommitmentPushModel, scu_role=True, scp_role=True)
        self.handlers = [(evt.EVT_N_EVENT_REPORT, self._hear)]

    def ask(self, node: RunningNode, objects: list[tuple[str, str]], *, stays: bool) -> str:
        """The transaction's UID; whoever `stays` waits for the report on this association."""
        association = self.entity.associate(
            "127.0.0.1", node.port, ae_title="OARLOCK", evt_handlers=self.handlers
        )
        request = Dataset()
        request.TransactionUID = generate_uid()
        request.ReferencedSOPSequence = [refer_to(*pair) for pair in objects]
        status, _ = association.send_n_action(request, 1, StorageCommitmentPushModel, INSTANCE_UID)
        assert status.Status == 0
        if stays:
            wait_until(lambda: bool(self.reports), "the report", 20)
        association.release()
        return str(request.TransactionUID)

    @contextmanager
    def listen(self, port: int) -> Iterator[None]:
        """Take associations, as many modalities want it."""
        server = self.entity.start_server(
            ("127.0.0.1", port), block=False, evt_handlers=self.handlers
        )
        yield
        server.shutdown()

    def _hear(self, event: evt.Event) -> tuple[int, None]:
        self.reports.append((event.event_type, event.event_information))
        return 0, None


def refer_to(sop_class: str, instance: str) -> Dataset:
    """An item of a request."""
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, instance
    return item
