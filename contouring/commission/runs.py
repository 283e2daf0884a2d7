"""The whole commissioning: every position, every template, and the report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from contouring.commission.cover import Heading
from contouring.commission.machine import read_machine
from contouring.commission.positions import PositionResult, Task
from contouring.commission.report import write_report
from contouring.phantom import HEAD_AND_NECK, Phantom
from contouring.phantom_scan import PATIENT_POSITIONS, Scan
from contouring.provenance import Stamp
from contouring.recipe import Cascade
from contouring.template import Template

REPORT = "report.html"

Progress = Callable[[str, float], None]
"""Told the patient position and the fraction of it that is done."""


@dataclass(frozen=True)
class Course:
    """What is scanned, and how; by default the whole phantom on its own planes, in all positions.

    No two scans may have the same patient position: it names their folder. `all_templates`: the
    names of those that a whole run has, so that the report can tell what a part leaves out.
    """

    phantom: Phantom = HEAD_AND_NECK
    scans: tuple[Scan, ...] = tuple(Scan(position=position) for position in PATIENT_POSITIONS)
    all_templates: tuple[str, ...] = ()


@dataclass(frozen=True)
class CommissioningReport:
    """What was found; `path` is the report to print."""

    path: Path
    positions: tuple[PositionResult, ...]

    @property
    def passed(self) -> bool:
        """Whether every file of every position keeps to every limit."""
        return all(position.passed for position in self.positions)


def commission(
    folder: Path,
    cascade: Cascade,
    templates: Sequence[Template],
    stamp: Stamp,
    progress: Progress = lambda *_: None,
    course: Course | None = None,
) -> CommissioningReport:
    """Run the phantom through a model whose fields are known on it, and write all of it.

    Writes `FOLDER/report.html`, and per position `FOLDER/POSITION/ct/*.dcm` and
    `FOLDER/POSITION/TEMPLATE.rtstruct.dcm`. A failure is a result and stands in the report. Raises
    `FileExistsError` for a folder that holds something: old files beside new ones would be
    imported with them.
    """
    course = course or Course()
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty: give a new folder to the report")
    task = Task(folder, course.phantom, cascade, tuple(templates), stamp)
    positions = tuple(task.run(scan, partial(progress, scan.position)) for scan in course.scans)
    report = CommissioningReport(folder / REPORT, positions)
    heading = Heading(
        cascade, task.templates, stamp, read_machine(), course.phantom, course.all_templates
    )
    report.path.write_text(write_report(heading, report.positions), encoding="utf-8")
    return report
