"""A site whose jobs are in PostgreSQL, and a PostgreSQL that dies."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from tests.chaos.findings import Finding, Scale, count_all, time_within
from tests.chaos.oracle import judge
from tests.chaos.site import QUICK, run_site
from tests.chaos.upload_trials import sending_on
from tests.workers.processes import create_postgresql

WORK_SECONDS = 1.5


def kill_database(folder: Path, scale: Scale) -> list[Finding]:
    """With all its processes, in the middle of commits; every other time with a worker."""
    dice, rounds = scale.dice(), scale.pick(2, 20)
    ready: list[float] = []
    with run_site(folder / "site", environment=QUICK, postgresql=create_postgresql()) as site:
        with sending_on(site, folder / "patients", WORK_SECONDS):
            for number in range(rounds):
                time.sleep(dice.uniform(2.0, 5.0))
                for name in ("postgresql", *(["worker-0"] if number % 2 else [])):
                    site.parts[name].signal(signal.SIGKILL)
                killed = time.monotonic()
                site.wait_until_ready()
                ready.append(time.monotonic() - killed)
        return [
            count_all("PostgreSQL killed", len(ready), rounds),
            time_within("from its end until the service is ready", ready, 100, 20.0),
            *judge(site),
        ]
