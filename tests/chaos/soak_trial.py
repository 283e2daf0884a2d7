"""A long day: jobs come in, and something fails every minute or two."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

import httpx
import redis

from service.client import RefusedRequestError
from tests.chaos.findings import Finding, Scale, count_all, find_percentile
from tests.chaos.load_trials import measure_memory
from tests.chaos.oracle import judge
from tests.chaos.patients import Patient, write_patient
from tests.chaos.queue_trials import restore_redis
from tests.chaos.script import Script
from tests.chaos.site import QUICK, Site, run_site
from tests.chaos.upload_trials import adopt

WARM_SECONDS = 30.0  # after its start a process has opened what it needs
WATCH_SECONDS = 2.0
FREEZE_SECONDS = 12.0
GROWTH = 0.10
FIRST_SECONDS = 300.0  # at most until something has failed


def soak(folder: Path, scale: Scale) -> list[Finding]:
    """Whatever can fail does, at random, while jobs are sent one after the other."""
    dice, count = scale.dice(), scale.pick(6, 300)
    environment = None if scale.is_long else QUICK
    with run_site(folder / "site", environment=environment) as site:
        memory = Memory(site)
        upset = Upset(site, dice, (60.0, 120.0) if scale.is_long else (3.0, 6.0))
        patients = []
        for number in range(count):
            patient = write_patient(folder / "patients", number, Script(dice.uniform(0.0, 6.0)))
            patients.append(patient)
            send_until_taken(site, patient)
            time.sleep(dice.uniform(0.0, 2.0 * scale.pick(1, 3)))
            memory.look()
        faults = upset.stop()
        adopt(site, patients)
        site.wait_until_ended(memory.look)
        growths = memory.find_growths()
        return [
            Finding("faults", ", ".join(faults), "some", bool(faults)),
            count_all("series acknowledged", len(site.acknowledged), count),
            Finding(
                "growth of memory between start and end of a process",
                f"largest {find_percentile(growths, 100):.0%} ({len(growths)} processes)",
                f"below {GROWTH:.0%}",
                find_percentile(growths, 100) < GROWTH,
                is_time=not scale.is_long,
            ),
            *judge(site),
        ]


def send_until_taken(site: Site, patient: Patient) -> None:
    """As a sender does that was not answered."""
    while True:
        with suppress(httpx.TransportError, RefusedRequestError):
            site.send(patient)
            return
        time.sleep(1.0)


class Upset:
    """Makes something fail, time and again, in a thread of its own."""

    def __init__(self, site: Site, dice: Random, pause_seconds: tuple[float, float]) -> None:
        self._site, self._dice, self._pause_seconds = site, dice, pause_seconds
        self._done: dict[str, int] = defaultdict(int)
        self._over, self._has_begun = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._repeat, daemon=True)
        self._thread.start()

    def stop(self) -> list[str]:
        """What was done, and how often; something is, however quick the jobs were."""
        self._has_begun.wait(FIRST_SECONDS)
        self._over.set()
        self._thread.join()
        return [f"{name} {count}" for name, count in sorted(self._done.items())]

    def _repeat(self) -> None:
        faults: dict[str, Callable[[], None]] = {
            "worker killed": self._kill_worker,
            "child killed": self._kill_child,
            "worker frozen": lambda: self._freeze(self._dice.choice(self._site.workers).name),
            "service killed": lambda: self._kill("service"),
            "Redis killed": lambda: self._kill("redis"),
            "Redis wiped": self._wipe,
            "Redis frozen": lambda: self._freeze("redis"),
            "everything killed": lambda: self._kill(*self._site.parts),
        }
        while not self._over.wait(self._dice.uniform(*self._pause_seconds)):
            name = self._dice.choice(sorted(faults))
            with suppress(redis.RedisError):  # killed a moment ago: the next fault comes anyway
                faults[name]()
                self._done[name] += 1
                self._has_begun.set()

    def _kill(self, *names: str) -> None:
        for name in names:
            part = self._site.parts[name]
            if part.process is not None:
                part.signal(signal.SIGKILL)

    def _kill_worker(self) -> None:
        self._kill(self._dice.choice(self._site.workers).name)

    def _kill_child(self) -> None:
        child = self._site.find_child(self._dice.choice(self._site.workers))
        if child is not None:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)

    def _wipe(self) -> None:
        restore_redis(self._site)
        self._site.redis.flushall()

    def _freeze(self, name: str) -> None:
        part = self._site.parts[name]
        part.signal(signal.SIGSTOP)
        time.sleep(FREEZE_SECONDS)
        part.signal(signal.SIGCONT)


@dataclass
class _Life:
    started: float
    warm_bytes: int | None = None
    last_bytes: int = 0


class Memory:
    """How much each process of the service and of the workers grew after it was warm."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._lives: dict[int, _Life] = {}

    def look(self) -> None:
        """Measure each piece now."""
        for part in (self._site.parts["service"], *self._site.workers):
            if not part.is_up:
                continue
            life = self._lives.setdefault(part.process_id, _Life(time.monotonic()))
            with suppress(FileNotFoundError, ProcessLookupError):
                life.last_bytes = measure_memory(part)
            if life.warm_bytes is None and time.monotonic() - life.started > WARM_SECONDS:
                life.warm_bytes = life.last_bytes

    def find_growths(self) -> list[float]:
        """Of each that lived long enough, as a fraction of what it had when it was warm."""
        return [
            life.last_bytes / life.warm_bytes - 1.0
            for life in self._lives.values()
            if life.warm_bytes
        ]
