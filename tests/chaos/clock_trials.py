"""Clocks that are wrong, and that are set while jobs run."""

from __future__ import annotations

import time
from pathlib import Path

from tests.chaos.findings import Finding, Scale, count_none
from tests.chaos.oracle import judge
from tests.chaos.patients import write_patient
from tests.chaos.script import Script
from tests.chaos.site import QUICK, run_site

WORK_SECONDS = 1.0
JUMPS = ("+2h", "-1h", "+0", "-2h")
# libfaketime 0.9.10 answers the clock_nanosleep of Python's own `sleep` with EINVAL.
MENDED_SLEEP = """\
import select
import time

time.sleep = lambda seconds: select.select([], [], [], seconds) and None
"""


def set_clocks(folder: Path, scale: Scale) -> list[Finding]:
    """One worker two hours ahead, the service's clock set forth and back while jobs run."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(MENDED_SLEEP)  # Python runs it at its start
    ahead, jumping = Clock(folder / "ahead"), Clock(folder / "jumping")
    ahead.set("+2h")
    jumping.set("+0")
    prefixes = {"worker-0": ahead.command, "service": jumping.command}
    rounds = scale.pick(2, 20)
    with run_site(folder / "site", environment=QUICK, prefixes=prefixes) as site:
        for number in range(rounds):
            for one in range(2):
                site.send(write_patient(folder, 2 * number + one, Script(WORK_SECONDS)))
            jumping.set(JUMPS[number % len(JUMPS)])
            time.sleep(WORK_SECONDS)
        site.wait_until_ended()
        jobs = site.list_jobs()
        return [
            count_none("leases lost", [job.id for job in jobs if job.lost_leases]),
            count_none("jobs run more than once", [job.id for job in jobs if job.attempt != 1]),
            *judge(site),
        ]


class Clock:
    """A clock that a process sees in place of the machine's, told by a file (libfaketime)."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def set(self, offset: str) -> None:
        """Set it so far off, at once; what counts from the start of the machine is left alone."""
        self._file.write_text(offset)

    @property
    def command(self) -> list[str]:
        """Put before another command, makes it see this clock."""
        (library,) = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
        return [
            "env",
            f"LD_PRELOAD={library}",
            f"PYTHONPATH={self._file.parent}",
            f"FAKETIME_TIMESTAMP_FILE={self._file}",
            "FAKETIME_NO_CACHE=1",
            "FAKETIME_DONT_FAKE_MONOTONIC=1",
        ]
