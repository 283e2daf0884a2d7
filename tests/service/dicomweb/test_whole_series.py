"""When a series that comes in pieces is whole, and what becomes of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import httpx
import pydicom

from service.dicomweb.stow import KEEP_SECONDS
from tests.service.answers import change_dataset
from tests.service.conftest import Server
from tests.service.dicomweb.arrivals import (
    count_received,
    list_arrivals,
    list_jobs,
    wait_for,
)
from tests.service.dicomweb.bodies import MULTIPART, join_parts, store
from tests.service.dicomweb.peers import (
    COUNTED_BY_NOBODY,
    PATIENT,
    QUICK,
    SILENT,
    WHOLE,
    connect,
)
from tests.workers.processes import wait_until

WriteSeries = Callable[..., list[bytes]]
STILL_OPEN = ("receiving", "judging")  # it is looked at once a second


def correct(content: bytes) -> bytes:
    """The same slice with other bytes."""

    def change(dataset: pydicom.Dataset) -> None:
        dataset.SeriesDescription = "Corrected"

    return change_dataset(content, change)


def enlarge(content: bytes) -> bytes:
    """The same slice in as many bytes as a scanner's."""

    def change(dataset: pydicom.Dataset) -> None:
        dataset.private_block(0x0099, "OARLOCK", create=True).add_new(1, "OB", bytes(250_000))

    return change_dataset(content, change)


def test_requests_of_one_series_make_one_job(site: Server, slices: list[bytes]) -> None:
    """Once nothing came for the sender's time of quiet; why it is whole is told."""
    with connect(site, QUICK) as http:
        for start in range(0, 20, 5):
            assert store(http, *slices[start : start + 5]).status_code == 200

        arrival = wait_for(http, slices[0], "accepted", 20)

        (job,) = list_jobs(http, slices[0])
    assert arrival["jobs"] == [job["id"]]
    assert (arrival["received"], job["series"]["slices"]) == (20, 20)
    assert "Nothing came for 2 s" in arrival["evidence"]
    assert arrival["source"] == "quick"


def test_while_more_may_come_nothing_is_judged(site: Server, slices: list[bytes]) -> None:
    """The time that is left shows."""
    with connect(site, SILENT) as http:
        store(http, *slices)

        (arrival,) = list_arrivals(http, slices[0])

    assert (arrival["state"], arrival["jobs"]) == ("receiving", [])
    assert 86_000 < arrival["seconds_left"] <= 86_400


def test_a_sender_of_whole_series_does_not_wait(site: Server, slices: list[bytes]) -> None:
    """Its request is over, and no slice is missing: a day of quiet would prove no more."""
    with connect(site, WHOLE) as http:
        store(http, *slices)

        arrival = wait_for(http, slices[0], "accepted", 20)

    assert "sends whole series" in arrival["evidence"]


def send_slowly(body: bytes, *seconds: float) -> Iterator[bytes]:
    """A body in pieces of one size, with pauses between them."""
    size = -(-len(body) // (len(seconds) + 1))
    for number, pause in enumerate((*seconds, 0.0)):
        yield body[size * number : size * (number + 1)]
        time.sleep(pause)


def test_a_request_that_breaks_off_is_not_the_end_of_a_series(
    site: Server, write_series: WriteSeries
) -> None:
    """What came of it may have no hole, and is not what its sender wanted to say."""
    broken, whole = [enlarge(one) for one in write_series()], write_series()
    body = join_parts(*broken)[:-5_000]
    with connect(site, WHOLE) as http:
        answer = http.post(
            "/dicom-web/studies",
            content=send_slowly(body, 2 * KEEP_SECONDS),
            headers={"Content-Type": MULTIPART},
        )
        store(http, *whole)
        wait_for(http, whole[0], "accepted", 20)

        ((state, received),) = count_received(http, broken[0])
    assert (answer.status_code, state) == (400, "receiving")
    assert 0 < received < 20


def test_a_request_that_breaks_off_and_brings_nothing_new_changes_nothing(
    site: Server, write_series: WriteSeries
) -> None:
    """What was whole before is whole still."""
    slices = [enlarge(one) for one in write_series()]
    with connect(site, QUICK) as http:
        store(http, *slices)
        first = wait_for(http, slices[0], "accepted", 20)
        http.post(
            "/dicom-web/studies",
            content=send_slowly(join_parts(*slices)[:-5_000], 2 * KEEP_SECONDS),
            headers={"Content-Type": MULTIPART},
        )

        again = wait_for(http, slices[0], "accepted", 20)
        jobs = list_jobs(http, slices[0])
    assert again["id"] != first["id"]
    assert again["jobs"] == first["jobs"] == [job["id"] for job in jobs]


def test_a_slow_sender_is_not_quiet(site: Server, write_series: WriteSeries) -> None:
    """Its request goes on for longer than its time of quiet."""
    slices = [enlarge(one) for one in write_series()]
    body = join_parts(*slices)
    drop = len(body) - 50_000  # all that comes in the last seconds: a part of the last slice

    def send() -> Iterator[bytes]:
        yield from send_slowly(body[:drop], 2 * KEEP_SECONDS)
        for start in range(drop, drop + 8):
            time.sleep(KEEP_SECONDS / 2)
            yield body[start : start + 1]
        yield body[drop + 8 :]

    with connect(site, QUICK) as http:
        answer = http.post(
            "/dicom-web/studies", content=send(), headers={"Content-Type": MULTIPART}
        )
        wait_for(http, slices[0], "accepted", 20)

        assert answer.status_code == 200
        assert count_received(http, slices[0]) == [("accepted", 20)]
        assert len(list_jobs(http, slices[0])) == 1


def test_quiet_proves_nothing_of_a_sender_that_died(
    site: Server, write_series: WriteSeries
) -> None:
    """Half a scan is as even as all of it: it is waited for as if a slice were missing."""
    broken, whole = [enlarge(one) for one in write_series()], write_series()
    body = join_parts(*broken)[:-5_000]
    with connect(site, PATIENT) as http:
        http.post(
            "/dicom-web/studies",
            content=send_slowly(body, 2 * KEEP_SECONDS),
            headers={"Content-Type": MULTIPART},
        )
        store(http, *whole)
        wait_for(http, whole[0], "accepted", 20)

        ((state, received),) = count_received(http, broken[0])
    assert state in STILL_OPEN
    assert 0 < received < 20


def test_quiet_proves_nothing_where_the_sender_should_know_and_does_not_answer(
    site: Server, write_series: WriteSeries
) -> None:
    """Whoever holds the number may have died over the series."""
    unknown, whole = write_series(), write_series()
    with connect(site, COUNTED_BY_NOBODY) as http:
        store(http, *unknown)
    with connect(site, PATIENT) as http:
        wait_until(lambda: list_arrivals(http, unknown[0])[0]["seconds_left"] < 0.5, "quiet")
        store(http, *whole)
        wait_for(http, whole[0], "accepted", 20)

        ((state, _),) = count_received(http, unknown[0])
    assert state in STILL_OPEN


def test_a_hole_is_waited_for_and_filled(site: Server, slices: list[bytes]) -> None:
    """Also where the sender sends whole series: then it was not whole."""
    with connect(site, WHOLE) as http:
        store(http, *slices[:7], *slices[8:])
        store(http, slices[7])

        wait_for(http, slices[0], "accepted", 20)
        (job,) = list_jobs(http, slices[0])
    assert job["series"]["slices"] == 20


def test_what_stays_incomplete_says_which_slice_is_missing(
    site: Server, slices: list[bytes]
) -> None:
    """And has no job; the slice that comes later makes one of all."""
    with connect(site, QUICK) as http:
        store(http, *slices[:7], *slices[8:])
        incomplete = wait_for(http, slices[0], "incomplete", 19)
        jobs_before = list_jobs(http, slices[0])

        store(http, slices[7])

        wait_for(http, slices[0], "accepted", 20)
        (job,) = list_jobs(http, slices[0])
    assert (incomplete["fault"], incomplete["jobs"], jobs_before) == ("missing-slice", [], [])
    assert "between" in incomplete["reason"]
    assert job["series"]["slices"] == 20


def test_a_late_slice_makes_a_new_job_in_place_of_the_old(
    site: Server, slices: list[bytes]
) -> None:
    """Whoever looks at the old one sees which one counts."""
    with connect(site, QUICK) as http:
        store(http, *slices[:19])
        wait_for(http, slices[0], "accepted", 19)

        store(http, slices[19])

        wait_for(http, slices[0], "accepted", 20)
        old, new = list_jobs(http, slices[0])
    assert (old["series"]["slices"], new["series"]["slices"]) == (19, 20)
    assert (old["superseded_by"], new["superseded_by"]) == (new["id"], None)


def test_the_same_series_again_is_the_same_job(site: Server, slices: list[bytes]) -> None:
    """A PACS that sends twice gets one result."""
    with connect(site, QUICK) as http:
        store(http, *slices)
        first = wait_for(http, slices[0], "accepted", 20)

        store(http, *slices)

        second = wait_for(http, slices[0], "accepted", 20)
        assert len(list_jobs(http, slices[0])) == 1
    assert first["id"] != second["id"]
    assert first["jobs"] == second["jobs"]


def test_changed_slices_are_never_mixed_with_the_old(site: Server, slices: list[bytes]) -> None:
    """Half a corrected series is no series; all of it is another one."""
    changed = [correct(one) for one in slices]
    with connect(site, QUICK) as http:
        store(http, *slices)
        wait_for(http, slices[0], "accepted", 20)

        store(http, *changed[:10])
        half = wait_for(http, slices[0], "incomplete", 10)
        store(http, *changed)

        whole = wait_for(http, slices[0], "accepted", 20)
        jobs = list_jobs(http, slices[0])
    assert (half["fault"], half["jobs"]) == ("changed-in-part", [])
    assert whole["jobs"] == [jobs[-1]["id"]]
    assert [job["series"]["description"] for job in jobs] == ["Oarlock phantom", "Corrected"]


def test_slices_that_change_on_the_way_set_the_first_ones_aside(
    site: Server, slices: list[bytes]
) -> None:
    """Before anything was made of them."""
    changed = [correct(one) for one in slices]
    with connect(site, SILENT) as http:
        store(http, *slices)

        store(http, *changed)

        aside, waiting = list_arrivals(http, slices[0])
    assert (aside["state"], aside["fault"]) == ("set-aside", "changed-on-the-way")
    assert (waiting["state"], waiting["received"], aside["jobs"]) == ("receiving", 20, [])


def test_a_sender_is_answered_while_a_series_is_judged(
    site: Server, write_series: WriteSeries
) -> None:
    """Judging reads every header; receiving goes on meanwhile."""
    first, second = write_series(), write_series()
    with connect(site, QUICK) as http:
        store(http, *first)
        answers: list[httpx.Response] = []
        while count_received(http, first[0]) != [("accepted", 20)]:
            answers.append(store(http, *second))

        assert {answer.status_code for answer in answers} == {200}
