"""Storage commitment (PS3.4 Annex J): a sender hears what is kept, and so what it may delete."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom.sop_class import StorageCommitmentPushModel
from sqlalchemy import func, select

from tests.dicom_peers import run_orthanc
from tests.service.dimse.peers import CT, MR, RunningNode, run_node
from tests.service.dimse.requester import INSTANCE_UID, Requester, refer_to
from tests.workers.processes import find_free_port, wait_until
from workers.database import open_engine
from workers.settings import Settings
from workers.tables import commitments

NOT_HERE, OTHER_CLASS = 0x0112, 0x0119


def count_open(node: RunningNode) -> int:
    """Requests whose senders were not told yet."""
    engine = open_engine(Settings(data=node.data).sql_url)
    try:
        with engine.connect() as connection:
            return connection.scalar(select(func.count()).select_from(commitments)) or 0
    finally:
        engine.dispose()


def write_sources(folder: Path, port: int) -> Path:
    """A file that says where the modality listens."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "sources.yaml"
    file.write_text(
        "format: 1\nunknown: accept\nsources:\n"
        "  - {name: modality, calling_ae: MODALITY, "
        f"commitment: {{host: 127.0.0.1, port: {port}}}}}\n"
    )
    return file


def test_a_sender_that_stays_is_told_on_its_association(
    node: RunningNode, series: list[Path]
) -> None:
    """Each object by itself: kept, not here, or of another class than it was said to be."""
    node.store(*series[:2])
    first, second, third = (pydicom.dcmread(file).SOPInstanceUID for file in series[:3])
    requester = Requester()

    transaction = requester.ask(node, [(CT, first), (MR, second), (CT, third)], stays=True)

    ((event_type, report),) = requester.reports
    assert (event_type, report.TransactionUID) == (2, transaction)
    assert [item.ReferencedSOPInstanceUID for item in report.ReferencedSOPSequence] == [first]
    assert {
        item.ReferencedSOPInstanceUID: item.FailureReason for item in report.FailedSOPSequence
    } == {second: OTHER_CLASS, third: NOT_HERE}
    wait_until(lambda: count_open(node) == 0, "the request to be done with")


def test_what_was_acknowledged_and_ignored_is_not_committed_to(
    node: RunningNode, series: list[Path]
) -> None:
    """It is not kept: a sender that deleted its copy would have lost it."""
    dataset = pydicom.dcmread(series[0])
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = MR
    association = node.associate(MR)
    assert association.send_c_store(dataset).Status == 0
    association.release()
    requester = Requester()

    requester.ask(node, [(MR, dataset.SOPInstanceUID)], stays=True)

    ((event_type, report),) = requester.reports
    assert event_type == 2
    assert report.FailedSOPSequence[0].FailureReason == NOT_HERE
    assert "ReferencedSOPSequence" not in report


def test_a_sender_that_left_is_told_at_its_address(tmp_path: Path, series: list[Path]) -> None:
    """And that all is kept is an event of its own."""
    port = find_free_port()
    requester = Requester()
    with run_node(tmp_path, sources=write_sources(tmp_path, port)) as node, requester.listen(port):
        node.store(series[0])

        requester.ask(node, [(CT, pydicom.dcmread(series[0]).SOPInstanceUID)], stays=False)

        wait_until(lambda: bool(requester.reports), "the report")
        assert requester.reports[0][0] == 1
        wait_until(lambda: count_open(node) == 0, "the request to be done with")


def test_a_request_outlives_the_node(tmp_path: Path, series: list[Path]) -> None:
    """Killed before it could report, it reports when it is started again."""
    port = find_free_port()
    requester = Requester()
    sources = write_sources(tmp_path, port)
    with run_node(tmp_path, sources=sources) as node:
        node.store(series[0])
        requester.ask(node, [(CT, pydicom.dcmread(series[0]).SOPInstanceUID)], stays=False)
        node.process.kill()
        node.process.wait()
    assert count_open(node) == 1

    with run_node(tmp_path, sources=sources), requester.listen(port):
        wait_until(lambda: bool(requester.reports), "the report")

    assert [event_type for event_type, _ in requester.reports] == [1]


@pytest.mark.parametrize(
    ("action_type", "keyword", "status"),
    [(2, None, 0x0123), (1, "TransactionUID", 0x0115), (1, "ReferencedSOPSequence", 0x0115)],
)
def test_a_request_that_makes_no_sense_is_refused(
    node: RunningNode, action_type: int, keyword: str | None, status: int
) -> None:
    """With the reason that the standard has for it."""
    request = Dataset()
    request.TransactionUID = generate_uid()
    request.ReferencedSOPSequence = [refer_to(CT, "1.2.3")]
    if keyword is not None:
        delattr(request, keyword)
    association = node.associate(StorageCommitmentPushModel)

    answer, _ = association.send_n_action(
        request, action_type, StorageCommitmentPushModel, INSTANCE_UID
    )

    association.release()
    assert answer.Status == status


def test_orthanc_sends_a_series_and_has_it_committed_to(tmp_path: Path, series: list[Path]) -> None:
    """Its own client: it sends, asks on a second association, and listens for the report."""
    dicom_port, node_port = find_free_port(), find_free_port()
    modality = {
        "AET": "OARLOCK",
        "Host": "127.0.0.1",
        "Port": node_port,
        "AllowStorageCommitment": True,
    }
    sources = tmp_path / "sources.yaml"
    sources.write_text(
        "format: 1\nsources:\n  - {name: archive, calling_ae: ORTHANC, "
        f"commitment: {{host: 127.0.0.1, port: {dicom_port}}}}}\n"
    )
    with (
        run_orthanc(tmp_path / "orthanc", dicom_port=dicom_port) as orthanc,
        run_node(tmp_path, sources=sources, dimse_port=node_port) as node,
    ):
        orthanc.http.put("/modalities/oarlock", json=modality).raise_for_status()
        names = [orthanc.store(file) for file in series]
        sent = orthanc.http.post(
            "/modalities/oarlock/store", json={"Resources": names, "Synchronous": True}
        )
        asked = orthanc.http.post(
            "/modalities/oarlock/storage-commitment", json={"Resources": names[:3]}
        ).json()

        def read_report() -> dict[str, Any]:
            return dict(orthanc.http.get(asked["Path"]).json())

        wait_until(lambda: read_report()["Status"] != "Pending", "the report")
        assert sent.json()["FailedInstancesCount"] == 0
        assert read_report()["Status"] == "Success"
        assert len(read_report()["Success"]) == 3
        assert len(node.find_kept()) == len(series)
        assert node.list_arrivals()[0].source.name == "archive"
