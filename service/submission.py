"""A series sent, followed to its end, and its result saved: what `oarlock submit` does."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

from service.client import Client
from workers.jobs import JobState

Watch = Callable[[dict[str, Any]], None]


def submit_folder(
    client: Client, folder: Path, model: str | None, urgent: bool, watch: Watch
) -> list[dict[str, Any]]:
    """Send every file below a folder; the jobs as they ended. `watch` sees every change."""
    fields = {"priority": "urgent" if urgent else "normal"}
    if model is not None:
        fields["model"] = model
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    answer = client.send(files, fields)
    watch(answer)
    return [_follow(client, job, watch) for job in answer["jobs"]]


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


def _write_table(structures: list[dict[str, Any]], path: Path) -> None:
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["structure", "found", "volume_cm3", "slices"])
        for row in structures:
            found = "yes" if row["found"] else "no"
            table.writerow([row["name"], found, f"{row['volume_cm3']:.2f}", row["slices"]])
