"""What came of a series, as the server tells it."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import httpx
import pydicom

from tests.workers.processes import wait_until


def read_uid(content: bytes, keyword: str = "SOPInstanceUID") -> str:
    """A UID of an object."""
    header = pydicom.dcmread(BytesIO(content), stop_before_pixels=True)
    return str(header[keyword].value)


def list_arrivals(http: httpx.Client, content: bytes) -> list[dict[str, Any]]:
    """What came of the series of an object, the first one first."""
    uid = read_uid(content, "SeriesInstanceUID")
    listed = http.get("/v1/arrivals", params={"limit": 200}).json()["arrivals"]
    return [one for one in reversed(listed) if one["series_instance_uid"] == uid]


def count_received(http: httpx.Client, content: bytes) -> list[tuple[str, int]]:
    """State and number of objects of each of them."""
    return [(one["state"], one["received"]) for one in list_arrivals(http, content)]


def wait_for(http: httpx.Client, content: bytes, state: str, received: int) -> dict[str, Any]:
    """The newest arrival of a series, once it stands so."""
    wait_until(
        lambda: count_received(http, content)[-1:] == [(state, received)],
        f"{received} objects to be {state}",
    )
    return list_arrivals(http, content)[-1]


def list_jobs(http: httpx.Client, content: bytes) -> list[dict[str, Any]]:
    """Jobs of the series of an object, the oldest first."""
    wanted = {"series_instance_uid": read_uid(content, "SeriesInstanceUID")}
    return list(reversed(http.get("/v1/jobs", params=wanted).json()["jobs"]))
