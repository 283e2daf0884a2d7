"""A series that comes in more than two parts, some of them corrected, is judged on all of them."""

from __future__ import annotations

import pydicom

from tests.service.answers import change_dataset
from tests.service.conftest import Server
from tests.service.dicomweb.arrivals import list_jobs, wait_for
from tests.service.dicomweb.bodies import store
from tests.service.dicomweb.peers import QUICK, connect


def correct(content: bytes, words: str = "Corrected") -> bytes:
    """The same slice with other bytes."""

    def change(dataset: pydicom.Dataset) -> None:
        dataset.SeriesDescription = words

    return change_dataset(content, change)


def test_three_parts_with_holes_make_one_whole(site: Server, slices: list[bytes]) -> None:
    """The last part alone is even, and is not the series."""
    with connect(site, QUICK) as http:
        store(http, *slices[:5], slices[6])
        wait_for(http, slices[0], "incomplete", 6)
        store(http, *slices[8:12])
        wait_for(http, slices[0], "incomplete", 10)

        store(http, *slices[12:], slices[5], slices[7])

        wait_for(http, slices[0], "accepted", 20)
        (job,) = list_jobs(http, slices[0])
    assert job["series"]["slices"] == 20


def test_half_of_a_second_correction_is_no_series(site: Server, slices: list[bytes]) -> None:
    """Though it holds all of the first one, of which more was known before."""
    with connect(site, QUICK) as http:
        store(http, *slices)
        wait_for(http, slices[0], "accepted", 20)
        # The first correction breaks off, and the second one goes only a little further.
        first = [correct(content) for content in slices[:6]]
        second = [correct(content, "Corrected again") for content in slices[:10]]
        store(http, *first)
        store(http, *second)

        half = wait_for(http, slices[0], "incomplete", 10)

        store(http, *(correct(content, "Corrected again") for content in slices[10:]))
        wait_for(http, slices[0], "accepted", 20)
        jobs = list_jobs(http, slices[0])
    assert (half["fault"], half["jobs"]) == ("changed-in-part", [])
    assert [job["series"]["slices"] for job in jobs] == [20, 20]
    assert any(warning.startswith("changed-since") for warning in jobs[1]["warnings"])


def test_what_comes_late_in_two_parts_takes_the_place_of_the_first_job(
    site: Server, slices: list[bytes]
) -> None:
    """Though the first of them alone made no whole."""
    with connect(site, QUICK) as http:
        store(http, *slices[:15])
        wait_for(http, slices[0], "accepted", 15)
        store(http, *slices[18:])
        wait_for(http, slices[0], "incomplete", 17)

        store(http, *slices[15:18])

        wait_for(http, slices[0], "accepted", 20)
        old, new = list_jobs(http, slices[0])
    assert (old["series"]["slices"], new["series"]["slices"]) == (15, 20)
    assert (old["superseded_by"], new["superseded_by"]) == (new["id"], None)
