"""A sender that answers how many objects a series has needs no time of quiet."""

from __future__ import annotations

from tests.dicom_peers import Orthanc
from tests.service.conftest import Server
from tests.service.dicomweb.arrivals import (
    count_received,
    list_arrivals,
    list_jobs,
    wait_for,
)
from tests.service.dicomweb.bodies import store
from tests.service.dicomweb.peers import (
    COUNTED_AND_IMPATIENT,
    COUNTED_BY_FIND,
    COUNTED_BY_QIDO,
    connect,
    upload,
)
from tests.workers.processes import wait_until


def test_the_count_by_qido_closes_a_series_at_once(
    site: Server, orthanc: Orthanc, slices: list[bytes]
) -> None:
    """While slices are missing it waits, and says for how many."""
    upload(orthanc, slices)
    with connect(site, COUNTED_BY_QIDO) as http:
        store(http, *slices[:15])
        wait_until(lambda: list_arrivals(http, slices[0])[0]["expected"] == 20, "the count")
        waiting = count_received(http, slices[0])

        store(http, *slices[15:])

        arrival = wait_for(http, slices[0], "accepted", 20)
        (job,) = list_jobs(http, slices[0])
    assert waiting == [("receiving", 15)]
    assert arrival["evidence"] == "It has all 20 objects that its sender has."
    assert job["series"]["slices"] == 20


def test_the_count_by_c_find_closes_a_series_at_once(
    site: Server, orthanc: Orthanc, slices: list[bytes]
) -> None:
    """The same for an archive without DICOMweb."""
    upload(orthanc, slices)
    with connect(site, COUNTED_BY_FIND) as http:
        store(http, *slices)

        arrival = wait_for(http, slices[0], "accepted", 20)

    assert arrival["evidence"] == "It has all 20 objects that its sender has."


def test_an_end_that_is_missing_shows_by_the_count_alone(
    site: Server, orthanc: Orthanc, slices: list[bytes]
) -> None:
    """No hole, no job: contours would end where the slices do."""
    upload(orthanc, slices)
    with connect(site, COUNTED_AND_IMPATIENT) as http:
        store(http, *slices[:17])

        arrival = wait_for(http, slices[0], "incomplete", 17)

        assert list_jobs(http, slices[0]) == []
    assert (arrival["fault"], arrival["expected"]) == ("fewer-than-sent", 20)
    assert "17 came" in arrival["reason"]
