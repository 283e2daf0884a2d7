"""A series sent, followed to its end, and its result saved: what `oarlock submit` does."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.client import Client
from workers.jobs import JobState

Watch = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Submission:
    """The jobs of a folder as they ended, and a sentence for all that became no job."""

    jobs: list[dict[str, Any]]
    left_out: list[str]


def submit_folder(
    client: Client, folder: Path, model: str | None, urgent: bool, watch: Watch
) -> Submission:
    """Send every file below a folder and follow its jobs; `watch` sees every change."""
    fields = {"priority": "urgent" if urgent else "normal"}
    if model is not None:
        fields["model"] = model
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    answer = client.send(files, fields)
    jobs = [_follow(client, job, watch) for job in answer["jobs"]]
    return Submission(jobs, _tell_left_out(answer))


def save_results(client: Client, jobs: list[dict[str, Any]], output: Path) -> list[Path]:
    """Save RTSTRUCT, preview and table of each finished job; several get a folder each."""
    finished = [job for job in jobs if job["state"] == JobState.DONE]
    folders = []
    for job in finished:
        folder = output / job["id"] if len(jobs) > 1 else output
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "rtstruct.dcm").write_bytes(client.fetch(job["links"]["rtstruct"]))
        (folder / "preview.png").write_bytes(client.fetch(job["links"]["preview"]))
        _write_table(job["structures"], folder / "structures.csv")
        folders.append(folder)
    return folders


def _follow(client: Client, job: dict[str, Any], watch: Watch) -> dict[str, Any]:
    for changed in client.follow(job["id"]):
        job = changed
        watch(job)
    return job


def _tell_left_out(answer: dict[str, Any]) -> list[str]:
    refused = [
        f"Series {series['series_instance_uid']} was refused: {series['reason']}"
        for series in answer["refused"]
    ]
    return [*refused, *(f"{file}, left out." for file in answer["ignored"])]


def _write_table(structures: list[dict[str, Any]], path: Path) -> None:
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["structure", "found", "volume_cm3", "slices"])
        for row in structures:
            found = "yes" if row["found"] else "no"
            table.writerow([row["name"], found, f"{row['volume_cm3']:.2f}", row["slices"]])
