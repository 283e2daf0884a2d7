"""What is in the outbox reaches real receivers: once, through their outages and our own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from pydicom import dcmread
from sqlalchemy import Engine

from contouring.errors import TamperedIdentityError
from tests.contouring.tiny_structure_sets import CORD, PAROTID, written
from tests.dicom_peers import run_orthanc
from tests.workers.deliveries import EVENTS, HOOK
from tests.workers.destinations.http_servers import LOCAL, HttpServer, Reply, run_http_server
from tests.workers.offices import OUTPUTS, SHORT_PAUSES, Office
from tests.workers.processes import find_free_port, wait_until
from tests.workers.receivers import Accepting, Breaking, LosingTheFirstAnswer, Recorder, Stuck
from workers.attempt_limits import AttemptLimits
from workers.courier import Courier
from workers.database import migrate, open_engine
from workers.deliveries import DeliveryState
from workers.destinations.credentials import Secret
from workers.destinations.cstore import CStoreReceiver
from workers.destinations.destinations import Destination
from workers.destinations.folder import FolderReceiver
from workers.destinations.http_peer import HttpPeer
from workers.destinations.parcels import Receiver
from workers.destinations.stow import StowReceiver
from workers.destinations.webhook import Webhook
from workers.identities import PlainIdentities
from workers.job_store import JobStore
from workers.jobs import JobState, NewJob, PlannedDelivery
from workers.lease_store import LeaseStore
from workers.outbox_store import OutboxStore
from workers.result_store import ResultStore

WAITING, DELIVERED, FAILED = DeliveryState.WAITING, DeliveryState.DELIVERED, DeliveryState.FAILED


@pytest.fixture
def office(tmp_path: Path, new_job: Callable[..., NewJob]) -> Iterator[Office]:
    """An office whose pauses are short."""
    engine: Engine = open_engine(f"sqlite:///{tmp_path / 'jobs.sqlite'}")
    migrate(engine)
    files = {}
    for output, structure in zip(OUTPUTS, (PAROTID, CORD), strict=True):
        files[output.rtstruct], _ = written(tmp_path / output.template, structure)
    yield Office(
        jobs=JobStore(engine),
        leases=LeaseStore(engine, lease_seconds=600.0, limits=AttemptLimits()),
        results=ResultStore(tmp_path),
        outbox=OutboxStore(engine, SHORT_PAUSES),
        files=files,
        new_job=new_job,
        uids=[],
    )
    engine.dispose()


@pytest.fixture
def hook() -> Iterator[HttpServer]:
    """A server that is told."""
    with run_http_server() as running:
        yield running


@contextmanager
def at_work(courier: Courier) -> Iterator[Courier]:
    """A courier that runs until the end of the block."""
    courier.start()
    try:
        yield courier
    finally:
        courier.stop()


def folder_at(path: Path, name: str = "folder") -> Destination:
    """A folder that exists."""
    path.mkdir(exist_ok=True)
    return Destination(name, "folder", str(path), FolderReceiver(path))


def webhook_at(server: HttpServer, monkeypatch: pytest.MonkeyPatch) -> Destination:
    """A server that is told, as `hook`."""
    monkeypatch.setenv("OARLOCK_TEST_SECRET", "secret")
    sender = Webhook(server.peer, Secret(variable="OARLOCK_TEST_SECRET"))
    return Destination("hook", "webhook", server.url, sender, events=EVENTS)


def test_each_destination_gets_the_structure_set_of_its_template(
    office: Office, tmp_path: Path
) -> None:
    """Made by one run of the networks."""
    first, second = folder_at(tmp_path / "a", "a"), folder_at(tmp_path / "b", "b")
    job = office.finish(PlannedDelivery("a", "eclipse"), PlannedDelivery("b", "generic"))

    with at_work(office.hire(first, second)):
        rows = office.wait_for(job, DELIVERED, DELIVERED)

    received = [dcmread(next((tmp_path / name).iterdir())) for name in "ab"]
    names = [one.StructureSetROISequence[0].ROIName for one in received]
    assert names == [PAROTID.name, CORD.name]
    assert [(row.tries, row.error) for row in rows] == [(1, ""), (1, "")]


@pytest.mark.parametrize("way", ["stow", "cstore"])
def test_an_archive_that_is_killed_twice_ends_with_one_of_each(
    office: Office, tmp_path: Path, way: str
) -> None:
    """While structure sets are on their way to it; each try has the same UID."""
    http_port, dicom_port = find_free_port(), find_free_port()
    sender: Receiver = StowReceiver(HttpPeer(f"http://127.0.0.1:{http_port}/dicom-web", LOCAL, 5.0))
    if way == "cstore":
        sender = CStoreReceiver("127.0.0.1", dicom_port, "ORTHANC", "OARLOCK", LOCAL, 5.0)
    recorder = Recorder(sender)
    jobs = [office.finish(PlannedDelivery("pacs"), series=f"{number}") for number in range(12)]

    with at_work(office.hire(Destination("pacs", way, "archive", recorder))):
        for wanted in (3, 7):
            wait_until(lambda: len(recorder.failed) > 1, "tries at an archive that is away")
            with run_orthanc(tmp_path / "orthanc", http_port, dicom_port) as orthanc:
                wait_until(lambda: len(recorder.arrived) >= wanted, f"{wanted} structure sets")  # noqa: B023 - waited for at once
                orthanc.process.kill()
            recorder.failed.clear()
        with run_orthanc(tmp_path / "orthanc", http_port, dicom_port) as orthanc:
            for job in jobs:
                office.wait_for(job, DELIVERED)
            received = orthanc.list_instances()

    assert sorted(received) == sorted(recorder.uids) == sorted(office.uids)
    assert len(received) == len(jobs)


def test_an_answer_that_is_lost_leads_to_no_second_structure_set(
    office: Office, tmp_path: Path
) -> None:
    """The archive has stored it and dies before it can say so."""
    with run_orthanc(tmp_path / "orthanc") as orthanc:
        url = str(orthanc.http.base_url).rstrip("/")
        losing = LosingTheFirstAnswer(StowReceiver(HttpPeer(f"{url}/dicom-web", LOCAL)))
        job = office.finish(PlannedDelivery("pacs"))

        with at_work(office.hire(Destination("pacs", "stow", url, losing))):
            (row,) = office.wait_for(job, DELIVERED)

        assert row.tries == 2
        assert len(orthanc.list_instances()) == 1


def test_a_dead_destination_holds_nobody_up(office: Office, tmp_path: Path) -> None:
    """Each has threads of its own."""
    stuck = Stuck()
    dead = [Destination(f"dead{number}", "stow", "nowhere", stuck) for number in range(6)]
    folder = folder_at(tmp_path / "out")
    for number in range(3):
        office.finish(*(PlannedDelivery(one.name) for one in dead), series=f"dead {number}")
    job = office.finish(PlannedDelivery("folder"), series="healthy")

    with at_work(office.hire(*dead, folder)):
        office.wait_for(job, DELIVERED)
        wait_until(lambda: stuck.at_once == len(dead), "one at each that is dead")
        stuck.let_go.set()

    assert stuck.most_at_once == len(dead)


def test_jobs_are_run_while_a_delivery_gets_no_answer(office: Office) -> None:
    """It holds no lock and no lease of the database: the next patient's contours need no PACS."""
    stuck = Stuck()
    office.finish(PlannedDelivery("pacs"), series="on its way")

    with at_work(office.hire(Destination("pacs", "stow", "nowhere", stuck))):
        wait_until(lambda: stuck.at_once == 1, "a delivery under way")
        done = [office.finish(series=f"{number}").state for number in range(3)]
        is_under_way = stuck.at_once == 1
        stuck.let_go.set()

    assert done == [JobState.DONE] * 3
    assert is_under_way


@pytest.mark.parametrize("at_once", [1, 3])
def test_a_destination_gets_as_many_at_a_time_as_it_takes(office: Office, at_once: int) -> None:
    """Some planning systems take one association and refuse the second."""
    stuck = Stuck()
    tps = Destination("tps", "cstore", "TPS", stuck, at_once=at_once)
    jobs = [office.finish(PlannedDelivery("tps"), series=f"{number}") for number in range(5)]

    with at_work(office.hire(tps)):
        wait_until(lambda: stuck.at_once == at_once, "as many as it takes")
        stuck.let_go.set()
        for job in jobs:
            office.wait_for(job, DELIVERED)

    assert stuck.most_at_once == at_once


def test_a_delivery_that_fails_for_good_raises_the_alarm(
    office: Office,
    hook: HttpServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """In the log and at the webhook, with the reason and what to do."""
    pacs = Destination("pacs", "stow", "nowhere", Accepting())
    job = office.finish(PlannedDelivery("pacs", "no-such-template"), HOOK)

    with (
        caplog.at_level(logging.ERROR),
        at_work(office.hire(pacs, webhook_at(hook, monkeypatch))),
    ):
        rows = office.wait_for(job, FAILED, DELIVERED, DELIVERED)

    (failed,) = (row for row in rows if row.state is FAILED)
    assert failed.error.startswith("the job made no structure set for the template no-such-temp")
    assert f"ALARM: job {job.id} was not delivered to pacs" in caplog.text
    assert any(b'"event": "delivery-failed"' in asked.body for asked in hook.asked)


def test_a_destination_that_is_in_the_file_no_longer_is_waited_for(
    office: Office, tmp_path: Path
) -> None:
    """Whoever took it out by mistake puts it back."""
    job = office.finish(PlannedDelivery("folder"))
    with at_work(office.hire()):
        wait_until(lambda: office.rows_of(job)[0].tries > 1, "a second try")
    error = office.rows_of(job)[0].error

    with at_work(office.hire(folder_at(tmp_path / "out"))):
        office.wait_for(job, DELIVERED)

    assert error == "there is no destination 'folder'; known destinations: none."


def test_an_error_that_nobody_thought_of_is_tried_again_without_its_words(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    """They may be the patient's."""
    job = office.finish(PlannedDelivery("pacs"))

    with at_work(office.hire(Destination("pacs", "stow", "nowhere", Breaking()))):
        wait_until(lambda: office.rows_of(job)[0].tries > 1, "a second try")

    assert office.rows_of(job)[0].error == (
        "an unexpected error (ZeroDivisionError); see the server's log."
    )
    assert "ZeroDivisionError" in caplog.text
    assert "CANARY" not in caplog.text


class Unsure(PlainIdentities):
    """A border that cannot tell whose a result is."""

    def restored(
        self, kept: Path, job_id: str | None, *, is_whole: bool = True
    ) -> AbstractContextManager[Path]:
        """It does not leave."""
        raise TamperedIdentityError("what was kept of it was changed.")


def test_what_cannot_be_said_whose_it_is_is_not_delivered(office: Office, tmp_path: Path) -> None:
    """Nor is it tried again and again: a person must look."""
    (tmp_path / "out").mkdir()
    job = office.finish(PlannedDelivery("folder"))

    with at_work(office.hire(folder_at(tmp_path / "out"), identities=Unsure())):
        (row,) = office.wait_for(job, FAILED)

    assert "whose this is" in row.error
    assert row.tries == 1
    assert list((tmp_path / "out").iterdir()) == []


def test_a_courier_that_stops_leaves_what_it_carried_to_the_next(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restart of the server costs no try."""
    monkeypatch.setattr("workers.courier.STOP_SECONDS", 0.1)
    stuck = Stuck()
    job = office.finish(PlannedDelivery("folder"))
    with at_work(office.hire(Destination("folder", "stow", "nowhere", stuck))):
        wait_until(lambda: stuck.at_once == 1, "it to be carried")
    put_back = office.rows_of(job)

    with at_work(office.hire(folder_at(tmp_path / "out"))):
        (row,) = office.wait_for(job, DELIVERED)

    stuck.let_go.set()
    assert (put_back[0].state, put_back[0].tries) == (WAITING, 0)
    assert row.tries == 1


def test_many_couriers_deliver_each_once(office: Office) -> None:
    """As many services as a site runs."""
    recorders = [Recorder(Accepting()) for _ in range(4)]
    jobs = [office.finish(PlannedDelivery("pacs"), series=f"{number}") for number in range(12)]
    couriers = [office.hire(Destination("pacs", "stow", "x", one)) for one in recorders]

    for courier in couriers:
        courier.start()
    rows = [office.wait_for(job, DELIVERED)[0] for job in jobs]
    for courier in couriers:
        courier.stop()

    assert sum(len(one.arrived) for one in recorders) == len(jobs)
    assert {row.tries for row in rows} == {1}


def test_a_webhook_is_told_again_until_it_listens(
    office: Office, hook: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one key, by which it knows the news."""
    hook.answer(Reply(503), Reply(500), Reply(200))
    job = office.finish(HOOK)

    with at_work(office.hire(webhook_at(hook, monkeypatch))):
        (row,) = office.wait_for(job, DELIVERED)

    assert row.tries == 3
    assert {asked.headers["Idempotency-Key"] for asked in hook.asked} == {row.id}
