"""The page of docs/ that shows what the trials found, and the record that it is made from."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

from tests.chaos.findings import Finding

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs" / "reliability.md"
RECORDS = Path(__file__).parent / "records.json"
BEGIN = "<!-- `make chaos` writes what follows. -->"


class Titled(Protocol):
    """What the page needs to know of a trial."""

    @property
    def name(self) -> str:
        """Short."""

    @property
    def title(self) -> str:
        """What is done to the site."""


@dataclass(frozen=True)
class Record:
    """One trial's run; `machine`: where, when, and on which versions."""

    findings: tuple[Finding, ...]
    seed: int
    seconds: float
    machine: str


def describe_machine() -> str:
    """Date, cores, and the versions that matter here."""
    redis = (
        subprocess.run(["redis-server", "--version"], capture_output=True, text=True, check=True)
        .stdout.split("v=")[1]
        .split()[0]
    )
    packages = ", ".join(f"{name} {version(name)}" for name in ("celery", "kombu", "redis"))
    today = datetime.now(UTC).date().isoformat()
    return (
        f"{today}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"Redis server {redis}, {packages}"
    )


def read_records() -> dict[str, Record]:
    """What is known of each trial, by its name."""
    if not RECORDS.exists():
        return {}
    return {
        name: Record(
            tuple(Finding(**finding) for finding in record["findings"]),
            record["seed"],
            record["seconds"],
            record["machine"],
        )
        for name, record in json.loads(RECORDS.read_text()).items()
    }


def write_records(records: Mapping[str, Record]) -> None:
    """Keep them for the next page."""
    content = {name: asdict(record) for name, record in records.items()}
    RECORDS.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def write_page(trials: Collection[Titled]) -> None:
    """Put the tables below the page's own words."""
    PAGE.write_text(build_page(PAGE.read_text(), trials, read_records()))


def build_page(page: str, trials: Collection[Titled], records: Mapping[str, Record]) -> str:
    """The page with a table for each trial that has been run."""
    words = page.partition(BEGIN)[0]
    tables = [_build_table(trial, records[trial.name]) for trial in trials if trial.name in records]
    lacking = [trial.name for trial in trials if trial.name not in records]
    told = f"\nNot run at full length so far: {', '.join(lacking)}.\n" if lacking else ""
    return "\n".join([f"{words}{BEGIN}", *tables, told]).rstrip() + "\n"


def _build_table(trial: Titled, record: Record) -> str:
    """What was counted and timed as a table; what was looked for and not found as a sentence."""
    absent = [one.what for one in record.findings if one.holds and one.measured == "0"]
    rows = [
        f"| {one.what} | {one.measured} | {one.goal} | {'yes' if one.holds else '**no**'} |"
        for one in record.findings
        if one.what not in absent
    ]
    heading = f"\n## {trial.title}\n\n| What | Measured | Goal | Holds |\n| --- | --- | --- | --- |"
    source = (
        f"`{trial.name}`, {record.seconds / 60:.1f} minutes, seed {record.seed}; {record.machine}."
    )
    return "\n".join(
        [heading, *rows, f"\nLooked for and not found: {', '.join(absent)}.", "", source]
    )
