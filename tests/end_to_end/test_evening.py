"""A whole evening: an archive forwards what it got, and has the structure sets in the morning."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pydicom
import pytest

from tests.end_to_end.evening import (
    Pacs,
    Series,
    Way,
    forwarding,
    write_configuration,
    write_ct,
    write_evening,
)
from tests.service.conftest import Server, run_ready_server
from tests.workers.processes import find_free_port, wait_until

ENDED = ("done", "partial", "failed", "cancelled", "refused", "poisoned")
PART = 60  # slices of a long series that look like a whole one
COUNTED = "It has all"  # as its sender said, where it could be asked
QUICK = {
    "OARLOCK_RESERVE_BYTES": "0",
    "OARLOCK_DELIVERY_FIRST_PAUSE_SECONDS": "0.5",
    "OARLOCK_DELIVERY_LONGEST_PAUSE_SECONDS": "2",
    "OARLOCK_COURIER_SECONDS": "0.2",
}


@dataclass(frozen=True)
class Site:
    """The server and the archive."""

    server: Server
    pacs: Pacs

    def list_arrivals(self, series: Series) -> list[dict[str, Any]]:
        """What came of a series, the first one first."""
        found = self.server.http.get("/v1/arrivals", params={"limit": 200}).json()["arrivals"]
        return [one for one in reversed(found) if one["series_instance_uid"] == series.uid]

    def find_state(self, series: Series) -> str:
        """Of what came last of it."""
        arrivals = self.list_arrivals(series)
        return str(arrivals[-1]["state"]) if arrivals else ""

    def count_received(self, series: Series) -> int:
        """Objects of it so far."""
        return sum(one["received"] for one in self.list_arrivals(series))

    def list_jobs(self, **wanted: str) -> list[dict[str, Any]]:
        """The jobs, the oldest first."""
        found = self.server.http.get("/v1/jobs", params={"limit": "200", **wanted}).json()["jobs"]
        return list(reversed(found))

    def list_deliveries(self) -> list[dict[str, Any]]:
        """All that leaves or left."""
        return [delivery for job in self.list_jobs() for delivery in job["deliveries"]]

    def wait_for_fate(self, *evening: Series) -> None:
        """Return once each series came to its end, and every result to its destination."""

        def is_over() -> bool:
            return (
                all(self.find_state(series) == series.fate for series in evening)
                and all(job["state"] in ENDED for job in self.list_jobs())
                and all(one["state"] == "delivered" for one in self.list_deliveries())
            )

        wait_until(is_over, "the evening's end")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A server with its DICOM node, and an archive that it takes from and gives to."""
    http_port, dicom_port, own_port = (find_free_port() for _ in range(3))
    environment = {
        **QUICK,
        **write_configuration(tmp_path, http_port, dicom_port),
        "OARLOCK_DIMSE_PORT": str(own_port),
    }
    with (
        run_ready_server(tmp_path, environment) as server,
        run_node(server, environment, tmp_path / "node.log"),
    ):
        pacs = Pacs(tmp_path / "pacs", http_port, dicom_port, server.url, own_port)
        pacs.start()
        try:
            yield Site(server, pacs)
        finally:
            pacs.stop()


@contextmanager
def run_node(server: Server, environment: dict[str, str], log: Path) -> Iterator[None]:
    """`oarlock dimse`, beside the server."""
    command = [sys.executable, "-m", "cli", "dimse"]
    own = {**os.environ, **environment, "OARLOCK_DATA": str(server.data)}
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=own, stdout=output, stderr=output)
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


def test_exactly_the_right_structure_sets_come_back_once_each(site: Site, tmp_path: Path) -> None:
    """While the archive is killed over the first series, and stopped when the first result came."""
    evening = write_evening(tmp_path)
    late = Series(Way.STOW, write_ct(tmp_path, "Neck"), comes_back=True, jobs=2)
    early = replace(late, contents=late.contents[:-1])
    again = Series(Way.STORE, write_ct(tmp_path, "Thorax"), comes_back=True)
    repeated = replace(again, way=Way.STOW)
    pacs = site.pacs
    for series in (*evening, early, again):
        pacs.upload(series.contents)
    before = {str(one.SOPInstanceUID) for one in pacs.list_structure_sets()}

    with forwarding(pacs, [*evening, early, again]):
        wait_until(lambda: site.count_received(evening[0]) >= PART, "some of the slices")
        pacs.kill()
        wait_until(lambda: all(pacs.refused.values()), "both senders to be cut off")
        pacs.start()
        wait_until(lambda: len(pacs.list_structure_sets()) > len(before), "the first result")
        pacs.stop()
        wait_until(lambda: any(one["error"] for one in site.list_deliveries()), "a vain try")
        pacs.start()
    site.wait_for_fate(*evening, early, again)
    pacs.upload(late.contents[-1:])
    for series in (late, repeated):
        pacs.forward(series)
    wait_until(lambda: len(site.list_arrivals(late)) == 2, "the late slice")
    wait_until(lambda: len(site.list_arrivals(again)) == 2, "the same again")
    site.wait_for_fate(*evening, late, again)

    returned = [one for one in pacs.list_structure_sets() if str(one.SOPInstanceUID) not in before]
    wanted = [one for one in (*evening, early, late, again) if one.comes_back]
    assert sorted(describe(one) for one in returned) == sorted(describe_wanted(*wanted))
    assert [find_untold(site, series) for series in (*evening, late, again)] == [""] * 20
    old, new = site.list_jobs(series_instance_uid=late.uid)
    assert (old["superseded_by"], new["superseded_by"]) == (new["id"], None)


def describe(structure_set: pydicom.Dataset) -> tuple[str, str, str, int, int]:
    """Which study, frame of reference and series it belongs to, and of which slices it speaks."""
    (frame,) = structure_set.ReferencedFrameOfReferenceSequence
    (study,) = frame.RTReferencedStudySequence
    (series,) = study.RTReferencedSeriesSequence
    slices = {str(one.ReferencedSOPInstanceUID) for one in series.ContourImageSequence}
    drawn_on = {
        str(image.ReferencedSOPInstanceUID)
        for roi in structure_set.ROIContourSequence
        for contour in roi.get("ContourSequence", [])
        for image in contour.ContourImageSequence
    }
    assert drawn_on
    assert drawn_on <= slices
    assert structure_set.StudyInstanceUID == study.ReferencedSOPInstanceUID
    return (
        str(structure_set.StudyInstanceUID),
        str(frame.FrameOfReferenceUID),
        str(series.SeriesInstanceUID),
        len(slices),
        hash(frozenset(slices)),
    )


def describe_wanted(*wanted: Series) -> Iterator[tuple[str, str, str, int, int]]:
    """The same of the CTs that structure sets are wanted of."""
    for series in wanted:
        header, slices = series.header, series.instance_uids
        yield (
            str(header.StudyInstanceUID),
            str(header.FrameOfReferenceUID),
            series.uid,
            len(slices),
            hash(frozenset(slices)),
        )


def find_untold(site: Site, series: Series) -> str:
    """What is told of a series' fate in other words than it should be; nothing if all is well."""
    arrival = site.list_arrivals(series)[-1]
    told = f"{arrival['evidence']} {arrival['reason']}"
    states = [job["state"] for job in site.list_jobs(series_instance_uid=series.uid)]
    is_told = arrival["state"] == series.fate and (series.words in told or COUNTED in told)
    if is_told and states == ["done"] * series.jobs:
        return ""
    return f"{series.header.SeriesDescription}: {arrival['state']}: {told}; jobs: {states}"
