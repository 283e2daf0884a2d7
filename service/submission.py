"""A series sent, followed to its end, and its results saved: what `oarlock submit` does."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.client import Client
from workers.jobs import JobState
from workers.result_files import PREVIEW, REPORT, name_rtstruct, name_segmentation

Watch = Callable[[dict[str, Any]], None]
COLUMNS = ("template", "structure", "status", "volume_cm3", "slices", "flags")


@dataclass(frozen=True)
class Submission:
    """The jobs of a folder as they ended, and a sentence for all that became no job."""

    jobs: list[dict[str, Any]]
    left_out: list[str]


@dataclass(frozen=True)
class Order:
    """What to ask for beside the files; the server's defaults where nothing is said."""

    model: str | None = None
    templates: Sequence[str] = ()
    is_urgent: bool = False

    @property
    def fields(self) -> dict[str, str]:
        """As POST /v1/jobs takes it."""
        fields = {"priority": "urgent" if self.is_urgent else "normal"}
        if self.model is not None:
            fields["model"] = self.model
        if self.templates:
            fields["template"] = ",".join(self.templates)
        return fields


def submit_folder(client: Client, folder: Path, order: Order, watch: Watch) -> Submission:
    """Send every file below a folder and follow its jobs; `watch` sees every change."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    answer = client.send(files, order.fields)
    jobs = [_follow(client, job, watch) for job in answer["jobs"]]
    return Submission(jobs, _tell_left_out(answer))


def save_results(client: Client, jobs: list[dict[str, Any]], output: Path) -> list[Path]:
    """Save all files of each job that has some, and a table; several jobs get a folder each.

    A partial job gives its preview and its report; its structure sets are held.
    """
    finished = [job for job in jobs if job["state"] in (JobState.DONE, JobState.PARTIAL)]
    folders = []
    for job in finished:
        folder = output / job["id"] if len(jobs) > 1 else output
        folder.mkdir(parents=True, exist_ok=True)
        for name, address in _find_files(job).items():
            (folder / name).write_bytes(client.fetch(address))
        _write_table(job["structures"], folder / "structures.csv")
        folders.append(folder)
    return folders


def _find_files(job: dict[str, Any]) -> dict[str, str]:
    """Addresses of a job's files by the names to save them under."""
    files = {PREVIEW: job["links"]["preview"], REPORT: job["links"]["report"]}
    for output in job["outputs"]:
        files[name_rtstruct(output["template"])] = output["rtstruct"]
        if output["segmentation"] is not None:
            files[name_segmentation(output["template"])] = output["segmentation"]
    return files


def _follow(client: Client, job: dict[str, Any], watch: Watch) -> dict[str, Any]:
    for changed in client.follow(job["id"]):
        job = changed
        watch(job)
    return job


def _tell_left_out(answer: dict[str, Any]) -> list[str]:
    refused = [
        f"Series {series['series_instance_uid']} was refused ({series['fault']}): "
        f"{series['reason']}"
        for series in answer["refused"]
    ]
    return [*refused, *(f"{file}, left out." for file in answer["ignored"])]


def _write_table(structures: list[dict[str, Any]], path: Path) -> None:
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for row in structures:
            flags = " ".join(flag["name"] for flag in row["flags"])
            volume = f"{row['volume_cm3']:.2f}"
            table.writerow(
                [row["template"], row["name"], row["status"], volume, row["slices"], flags]
            )
