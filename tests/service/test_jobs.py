"""A series over HTTP: sent, followed, fetched, sent again, cancelled, retried."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pydicom
import pytest
from PIL import Image

from contouring.phantom_scan import Scan, even_offsets
from contouring.phantom_series import SeriesHeader, write_phantom
from tests.phantoms import write_small_series
from tests.service.answers import expect_problem
from tests.service.conftest import Server
from workers.jobs import TERMINAL

MODEL = {"model": "commissioning"}
Zipper = Callable[[dict[str, bytes]], bytes]


def _send(server: Server, files: list[Path], **fields: str) -> dict[str, Any]:
    fields = MODEL | fields
    parts = [("files", (file.name, file.read_bytes())) for file in files]
    answer = server.http.post("/v1/jobs", files=parts, data=fields)
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


def test_a_series_comes_back_as_a_structure_set(server: Server, series: list[Path]) -> None:
    """The main job: CT in, RTSTRUCT out."""
    sent = _send(server, series, model="commissioning")

    job = server.wait_for(sent["jobs"][0]["id"], *TERMINAL)
    rtstruct = server.http.get(job["links"]["rtstruct"])
    preview = server.http.get(job["links"]["preview"])

    assert sent["refused"] == []
    assert job["state"] == "done"
    found = {row["name"]: row for row in job["structures"] if row["status"] == "contoured"}
    assert found["Sphere30"]["volume_cm3"] == pytest.approx(7.24, rel=0.02)  # 12 mm radius
    assert rtstruct.headers["content-type"] == "application/dicom"
    structure_set = pydicom.dcmread(io.BytesIO(rtstruct.content))
    assert structure_set.StudyInstanceUID == job["series"]["study_instance_uid"]
    assert preview.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(preview.content)).format == "PNG"


def test_a_series_whose_pixels_cannot_be_read_ends_refused(server: Server, tmp_path: Path) -> None:
    """Headers were good, so it was accepted; the fault has a name, and a person may try again."""
    files = write_small_series(tmp_path, header=SeriesHeader(seed="truncated"))
    truncated = pydicom.dcmread(files[3])
    truncated.PixelData = truncated.PixelData[:100]
    truncated.save_as(files[3])
    job_id = _send(server, files)["jobs"][0]["id"]

    refused = server.wait_for(job_id, *TERMINAL)
    again = server.http.post(f"/v1/jobs/{job_id}/retry")
    refused_again = server.wait_for(job_id, *TERMINAL)
    metrics = server.http.get("/metrics").text
    page = server.http.get("/").text

    assert (refused["state"], refused["stage"]) == ("refused", "read")
    assert "the slice at z = " in refused["failure"]["reason"]
    assert refused["links"]["rtstruct"] is None
    assert (again.status_code, refused_again["state"]) == (202, "refused")
    assert refused_again["attempt"] == 2
    assert 'oarlock_jobs{state="refused"} 1.0' in metrics
    assert '<span class="state refused">refused</span>' in page
    assert "the slice at z = " in page


def test_a_template_without_a_segmentation_has_none_to_fetch(
    server: Server, series: list[Path]
) -> None:
    """Which is not the same as a job that is not there."""
    job = server.wait_for(_send(server, series)["jobs"][0]["id"], *TERMINAL)

    answer = server.http.get(f"/v1/jobs/{job['id']}/segmentation")

    assert job["outputs"][0]["segmentation"] is None
    expect_problem(answer, 404, "not-found", "generic", "segmentation")


def test_a_zip_is_the_same_as_its_files(
    server: Server, series: list[Path], build_zip: Zipper
) -> None:
    """Sending again, however packed, gives the job that is there."""
    first = _send(server, series)["jobs"][0]
    content = build_zip({f"deep/down/{file.name}": file.read_bytes() for file in reversed(series)})

    answer = server.http.post("/v1/jobs", files={"files": ("ct.zip", content)}, data=MODEL)

    assert answer.status_code == 202
    assert [job["id"] for job in answer.json()["jobs"]] == [first["id"]]


def test_the_same_series_from_many_clients_at_once_is_one_job(
    server: Server, tmp_path: Path
) -> None:
    """Routing rules fire together."""
    files = write_small_series(tmp_path, header=SeriesHeader(seed="many clients"))

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: _send(server, files), range(6)))

    assert len({answer["jobs"][0]["id"] for answer in answers}) == 1


def test_every_series_of_an_upload_gets_its_job_or_its_reason(
    server: Server, series: list[Path], tmp_path: Path
) -> None:
    """One bad series must not cost the others."""
    gap = write_small_series(tmp_path / "gap", header=SeriesHeader(seed="gap"))
    del gap[9]
    notes = tmp_path / "notes.txt"
    notes.write_text("not a slice")
    renamed = [file.rename(file.with_name(f"gap-{file.name}")) for file in gap]

    sent = _send(server, [*series, *renamed, notes])

    assert len(sent["jobs"]) == 1
    assert [(refused["fault"], refused["files"]) for refused in sent["refused"]] == [
        ("missing-slice", 19)
    ]
    assert sent["ignored"] == ["notes.txt: not a DICOM file"]


def test_events_tell_every_change_until_the_end(server: Server, tmp_path: Path) -> None:
    """A client needs no polling, and knows when to stop."""
    files = write_small_series(tmp_path, header=SeriesHeader(seed="events"))
    job_id = _send(server, files)["jobs"][0]["id"]

    with server.http.stream("GET", f"/v1/jobs/{job_id}/events") as answer:
        lines = [line for line in answer.iter_lines() if line.startswith("data:")]

    events = [json.loads(line.removeprefix("data:")) for line in lines]
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert {event["id"] for event in events} == {job_id}
    assert events[-1] == server.show(job_id)
    assert [event["state"] in TERMINAL for event in events] == [False] * (len(events) - 1) + [True]


def test_the_list_can_be_filtered_and_paged(server: Server, tmp_path: Path) -> None:
    """The pages together hold the same jobs as the whole."""
    for number in range(3):
        header = SeriesHeader(seed=f"page {number}")
        files = write_small_series(tmp_path / str(number), header=header)
        _send(server, files, priority="urgent")
    whole = server.http.get("/v1/jobs", params={"priority": "urgent"}).json()["jobs"]

    paged, after = [], None
    while True:
        params = {"priority": "urgent", "limit": "2", **({"after": after} if after else {})}
        page = server.http.get("/v1/jobs", params=params).json()
        paged += page["jobs"]
        after = page["next"]
        if after is None:
            break

    assert len(whole) == 3
    assert [job["id"] for job in paged] == [job["id"] for job in whole]


def test_a_job_is_cancelled_and_run_again(server: Server, tmp_path: Path) -> None:
    """202 while it is not done, 409 after; a retry is a new attempt."""
    scan = Scan(slice_offsets_mm=even_offsets(24, 2.5))
    job_id = _send(server, write_phantom(tmp_path, scan=scan))["jobs"][0]["id"]

    asked = server.http.delete(f"/v1/jobs/{job_id}")
    cancelled = server.wait_for(job_id, *TERMINAL)
    too_late = server.http.delete(f"/v1/jobs/{job_id}")
    no_result = server.http.get(f"/v1/jobs/{job_id}/rtstruct")
    again = server.http.post(f"/v1/jobs/{job_id}/retry")
    done = server.wait_for(job_id, *TERMINAL)
    not_again = server.http.post(f"/v1/jobs/{job_id}/retry")

    assert (asked.status_code, cancelled["state"]) == (202, "cancelled")
    assert (too_late.status_code, no_result.status_code) == (409, 409)
    assert no_result.json()["type"] == "urn:oarlock:problem:wrong-job-state"
    assert (again.status_code, done["state"], not_again.status_code) == (202, "done", 409)


def test_the_models_are_listed_with_their_cards(server: Server) -> None:
    """A sender must see what a model is for before naming it."""
    listed = server.http.get("/v1/models").json()["models"]
    shown = server.http.get("/v1/models/commissioning").json()

    (summary,) = [model for model in listed if model["name"] == "commissioning"]
    assert [model["name"] for model in listed if model["is_default"]] == ["hn-oar"]
    assert summary["checksum"] == shown["checksum"]
    assert shown["card"]["intended_use"] == summary["intended_use"]


def test_the_page_shows_a_job_with_links_to_its_results(server: Server, series: list[Path]) -> None:
    """A physicist opens it in a browser, without tools."""
    job_id = _send(server, series)["jobs"][0]["id"]
    server.wait_for(job_id, "done")

    page = server.http.get("/")

    assert page.headers["content-type"].startswith("text/html")
    assert f'href="/v1/jobs/{job_id}/rtstruct?template=generic"' in page.text
    assert f'href="/v1/jobs/{job_id}/report"' in page.text
    assert f'href="/v1/jobs/{job_id}/preview.png"' in page.text


def test_metrics_count_jobs_and_requests(server: Server, series: list[Path]) -> None:
    """What a hospital's monitoring watches."""
    job_id = _send(server, series)["jobs"][0]["id"]
    server.wait_for(job_id, "done")

    text = server.http.get("/metrics").text

    counts = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(counts['oarlock_jobs{state="done"}']) >= 1
    posts = 'oarlock_http_requests_total{method="POST",route="/v1/jobs",status="202"}'
    assert float(counts[posts]) >= 1
    assert job_id not in text
