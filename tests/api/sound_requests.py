"""Requests that reach what a site has, by operation: whoever may make them gets 2xx."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.api.site import MODEL, TURNS, Site
from tests.service.dicomweb.bodies import join_parts

FORM, RELATED, DICOM = "multipart/form-data", "multipart/related", "application/dicom"


@dataclass(frozen=True)
class SoundRequest:
    """As schemathesis takes it; `body` of a form: values and files by their names."""

    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | dict[str, Any] | None = None
    media_type: str | None = None


def build_zip(files: Sequence[bytes]) -> bytes:
    """A series in one file."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number, content in enumerate(files):
            archive.writestr(f"{number}.dcm", content)
    return packed.getvalue()


def build_sound_requests(site: Site, turn: int) -> Mapping[str, Sequence[SoundRequest]]:
    """By method and path, where more than that is needed; each turn has jobs of its own."""
    live, shadow = site.done
    job, with_segmentation = {"job_id": live}, {"job_id": shadow}
    study = {"study": site.uids["study"]}
    series = {**study, "series": site.uids["series"]}
    slices = [Path(path).read_bytes() for path in site.slices]
    rtstruct, rules = Path(site.rtstruct).read_bytes(), Path(site.rules).read_bytes()
    upload = SoundRequest(body={"files": slices, "model": MODEL}, media_type=FORM)
    requests = {
        "POST /v1/jobs": [upload],
        "GET /v1/jobs": [SoundRequest(query={"after": live, "state": "done", "limit": "1"})],
        "DELETE /v1/jobs/{job_id}": _once(site.waiting, turn),
        "POST /v1/jobs/{job_id}/retry": _once(site.ended, turn),
        "POST /v1/jobs/{job_id}/release": _once(site.partial, turn),
        "POST /v1/jobs/{job_id}/deliver": [SoundRequest(job, {"destination": "planning"})],
        "GET /v1/jobs/{job_id}/events": [SoundRequest(job, {"until": "ended"})],
        "GET /v1/jobs/{job_id}/rtstruct": [SoundRequest(job, {"template": "generic"})],
        "GET /v1/jobs/{job_id}/segmentation": [SoundRequest(with_segmentation)],
        "GET /v1/jobs/{job_id}/comparison": [
            SoundRequest(with_segmentation),
            SoundRequest(job, {"with": shadow}),
        ],
        "POST /v1/check": [upload],
        "POST /v1/lint": [SoundRequest(body={"file": rtstruct, "ct": slices}, media_type=FORM)],
        "POST /v1/rules/test": [
            SoundRequest(body={"files": slices, "rules": rules}, media_type=FORM)
        ],
        "GET /v1/models/{name}": [SoundRequest({"name": MODEL})],
        "GET /v1/templates/{name}": [SoundRequest({"name": "generic"})],
        "GET /v1/arrivals": [SoundRequest(query={"after": site.arrivals[0]})],
        "GET /dicom-web/studies": [SoundRequest(query={"StudyInstanceUID": study["study"]})],
        "GET /dicom-web/instances": [SoundRequest(query={"limit": "2", "includefield": "all"})],
        "POST /dicom-web/studies": [
            SoundRequest(body=join_parts(*slices[:3]), media_type=RELATED),
            SoundRequest(body=slices[0], media_type=DICOM),
        ],
        "POST /dicom-web/studies/{study}": [
            SoundRequest(study, body=slices[0], media_type=DICOM),
            SoundRequest(study, body=join_parts(slices[1]), media_type=RELATED),
        ],
    }
    for path, uids in _list_addresses(study, series, {**series, "instance": site.uids["instance"]}):
        requests[f"GET /dicom-web{path}"] = [SoundRequest(uids, {"accept": "*/*"})]
    for rest in ("", "/preview.png", "/report"):
        requests[f"GET /v1/jobs/{{job_id}}{rest}"] = [SoundRequest(job)]
    for method in ("PUT", "DELETE"):
        requests[f"{method} /v1/jobs/{{job_id}}/legal-hold"] = [SoundRequest(job)]
    return requests


def _once(jobs: Sequence[str], turn: int) -> Sequence[SoundRequest]:
    """Several, for a trial before may have come upon one of them."""
    return [SoundRequest({"job_id": job_id}) for job_id in jobs[turn::TURNS]]


def _list_addresses(
    study: Mapping[str, str], series: Mapping[str, str], instance: Mapping[str, str]
) -> Sequence[tuple[str, Mapping[str, str]]]:
    of_study = "/studies/{study}"
    of_series = f"{of_study}/series/{{series}}"
    one = f"{of_series}/instances/{{instance}}"
    return [
        *((f"{of_study}{rest}", study) for rest in ("", "/series", "/instances", "/metadata")),
        *((f"{of_series}{rest}", series) for rest in ("", "/instances", "/metadata")),
        *((f"{one}{rest}", instance) for rest in ("", "/metadata")),
    ]
