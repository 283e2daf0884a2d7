"""Workers that die, freeze, are stopped, or run out of memory."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.chaos.findings import Finding, Scale, count_all, count_none, time_within
from tests.chaos.oracle import judge
from tests.chaos.patients import write_patient
from tests.chaos.script import Fault, Script
from tests.chaos.site import QUICK, Part, Site, run_site
from tests.workers.processes import wait_until
from workers.jobs import TERMINAL, Job, JobState

LOOK_SECONDS = 0.05
START_OF_MORE = 1000  # numbers of patients beyond those that a trial begins with
WORK_SECONDS = 2.5  # long enough to be hit in the middle


@dataclass
class Losses:
    """When attempts were lost, and how long it took until their jobs ran again."""

    open: dict[str, tuple[int, float]] = field(default_factory=dict)  # attempt and moment, by job
    seconds: list[float] = field(default_factory=list)
    count: int = 0

    def note(self, job: Job) -> None:
        """Its attempt has just been lost."""
        self.count += 1
        self.open.setdefault(job.id, (job.attempt, time.monotonic()))

    def look(self, site: Site) -> None:
        """See which of them run again."""
        for job_id, (attempt, moment) in list(self.open.items()):
            job = site.jobs.find(job_id)
            if job.attempt > attempt:
                self.seconds.append(time.monotonic() - moment)
                del self.open[job_id]
            elif job.state in TERMINAL:  # it had ended before it was hit
                self.count -= 1
                del self.open[job_id]


def kill_worker_groups(folder: Path, scale: Scale) -> list[Finding]:
    """A worker's whole process group is killed, at random moments, while it works."""
    dice, losses = scale.dice(), Losses()
    environment = None if scale.is_long else QUICK
    with run_site(folder / "site", environment=environment) as site:
        send_patients(site, folder, scale.pick(5, 50), WORK_SECONDS)
        more = itertools.count(START_OF_MORE)
        while losses.count < scale.pick(3, 50):
            keep_busy(site, folder, more)
            for worker, job in hit_at_random(site, dice, losses):
                losses.note(job)
                worker.signal(signal.SIGKILL)
        site.wait_until_ended(lambda: losses.look(site))
        losses.look(site)
        return [
            Finding("attempts killed", str(losses.count), "at least 1", losses.count > 0),
            time_within("from the kill to the job's next attempt", losses.seconds, 95, 60.0),
            time_within("the same", losses.seconds, 100, 90.0),
            *judge(site),
        ]


def kill_children(folder: Path, scale: Scale) -> list[Finding]:
    """Only the process that runs a job is killed, as the kernel does when memory is short."""
    dice, losses = scale.dice(), Losses()
    # Each job is killed at most once: three deaths of one job are poison, and another trial.
    hit: set[str] = set()
    with run_site(folder / "site", environment=None if scale.is_long else QUICK) as site:
        send_patients(site, folder, scale.pick(4, 25), WORK_SECONDS)
        more = itertools.count(START_OF_MORE)
        mains: set[int] = set()
        while losses.count < scale.pick(2, 20):
            keep_busy(site, folder, more)
            for worker, job in hit_at_random(site, dice, losses):
                mains |= {one.process_id for one in site.workers}
                child = site.find_child(worker)
                if job.id in hit or child is None:
                    continue
                hit.add(job.id)
                losses.note(job)
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
        site.wait_until_ended(lambda: losses.look(site))
        losses.look(site)
        after = {worker.process_id for worker in site.workers}
        return [
            Finding("processes killed", str(losses.count), "at least 1", losses.count > 0),
            Finding("the workers' main processes", _same(mains, after), "the same", mains == after),
            time_within("from the kill to the job's next attempt", losses.seconds, 100, 45.0),
            *judge(site),
        ]


def poison(folder: Path, scale: Scale) -> list[Finding]:
    """One job kills its process each time; healthy ones wait beside it."""
    healthy = scale.pick(4, 20)
    with run_site(folder / "site", workers=1, environment=QUICK) as site:
        bad = send_faulty(site, folder / "bad", [Fault.DEATH, Fault.SEGMENTATION_FAULT])
        send_patients(site, folder, healthy, 0.0)
        (worker,) = site.workers
        main = worker.process_id
        site.wait_until_ended()
        ended = [site.jobs.find(job_id) for job_id in bad]
        done = site.jobs.count_by_state()[JobState.DONE]
        for job_id in bad:  # kept and told, but never done
            del site.acknowledged[job_id]
        return [
            count_all("jobs set aside as poisoned", _count(ended, JobState.POISONED), len(bad)),
            Finding(
                "deaths that it took",
                ", ".join(str(job.child_deaths) for job in ended),
                "3 each",
                all(job.child_deaths == 3 for job in ended),
            ),
            count_none("poisoned without a reason", [job.id for job in ended if not job.failure]),
            count_all("healthy jobs done", done, healthy),
            _alive(worker, main),
            *judge(site),
        ]


def run_out_of_memory(folder: Path, scale: Scale) -> list[Finding]:
    """Jobs ask for more memory than there is: some at all, some but for smaller windows."""
    each, healthy = scale.pick(1, 10), scale.pick(1, 5)
    with run_site(folder / "site", workers=1, environment=QUICK) as site:
        (worker,) = site.workers
        main = worker.process_id
        hopeless = send_faulty(site, folder / "hopeless", [Fault.MEMORY] * each)
        scarce = send_faulty(site, folder / "scarce", [Fault.SCARCITY] * each)
        send_patients(site, folder, healthy, 0.0)
        site.wait_until_ended()
        failed = [site.jobs.find(job_id) for job_id in hopeless]
        spared = [site.jobs.find(job_id) for job_id in scarce]
        told = [job for job in spared if any("less-memory" in text for text in job.warnings)]
        for job_id in (*hopeless, *scarce):  # not to be judged as jobs without a fault are
            del site.acknowledged[job_id]
        codes = {job.failure.code for job in failed if job.failure}
        return [
            count_all("hopeless jobs that failed", _count(failed, JobState.FAILED), each),
            Finding("their reason", ", ".join(codes), "out-of-memory", codes == {"out-of-memory"}),
            count_all("jobs done with smaller windows, and told", len(told), each),
            _alive(worker, main),
            *judge(site),
        ]


def wake_zombies(folder: Path, scale: Scale) -> list[Finding]:
    """A worker freezes in the middle of a job, and wakes when another one has done it."""
    rounds = scale.pick(1, 20)
    short = {**QUICK, "OARLOCK_LEASE_SECONDS": "4"}
    with run_site(folder / "site", environment=short) as site:
        late = []
        for number in range(rounds):
            job_id = site.send(write_patient(folder, number, Script(WORK_SECONDS)))
            worker = wait_for_holder(site, job_id)
            fence = site.jobs.find(job_id).fence
            worker.signal(signal.SIGSTOP)
            wait_until(lambda job=job_id: site.jobs.find(job).state in TERMINAL, "the other one")
            told = count_refusals(site)
            worker.signal(signal.SIGCONT)
            wait_until(lambda before=told: count_refusals(site) > before, "the late one to be told")
            kept = site.data / "results" / job_id / str(fence)
            if kept.exists():
                late.append(str(kept))
        refused = count_refusals(site)
        return [
            count_all("late workers told that the job is no longer theirs", refused, rounds),
            count_none("files that a late worker left", late),
            *judge(site),
        ]


def stop_workers(folder: Path, scale: Scale) -> list[Finding]:
    """SIGTERM, as a deployment sends it, in the middle of a job longer than anybody waits."""
    rounds = scale.pick(1, 10)
    losses, counted, attempts = Losses(), [], []
    environment = {**QUICK, "OARLOCK_STOP_SECONDS": "2", "OARLOCK_LEASE_SECONDS": "30"}
    with run_site(folder / "site", environment=environment) as site:
        for number in range(rounds):
            job_id = site.send(write_patient(folder, number, Script(6.0)))
            worker = wait_for_holder(site, job_id)
            job, process = site.jobs.find(job_id), worker.process
            assert process is not None
            os.kill(process.pid, signal.SIGTERM)
            wait_until(lambda ended=process: ended.poll() is not None, "the worker to stop")
            losses.note(job)
            site.wait_until_ended(lambda: losses.look(site))
            losses.look(site)
            after = site.jobs.find(job_id)
            counted.append(after.lost_leases + after.child_deaths)
            attempts.append(after.attempt)
        return [
            time_within("from the worker's end to the next attempt", losses.seconds, 100, 10.0),
            count_all("jobs given back, and done by the next attempt", attempts.count(2), rounds),
            count_none("losses counted against a job", [one for one in counted if one]),
            *judge(site),
        ]


def send_patients(site: Site, folder: Path, count: int, seconds: float) -> None:
    """Upload so many patients."""
    for number in range(count):
        site.send(write_patient(folder / "patients", number, Script(seconds)))


def send_faulty(site: Site, folder: Path, faults: Sequence[Fault]) -> list[str]:
    """Upload a patient for each fault; the ids of their jobs."""
    return [
        site.send(write_patient(folder, number, Script(0.1, fault)))
        for number, fault in enumerate(faults)
    ]


def keep_busy(site: Site, folder: Path, numbers: Iterator[int]) -> None:
    """One more patient where there is not a job for each worker: else nobody could be hit."""
    if site.count_open() < len(site.workers):
        site.send(write_patient(folder / "patients", next(numbers), Script(WORK_SECONDS)))


def hit_at_random(site: Site, dice: Random, losses: Losses) -> Iterator[tuple[Part, Job]]:
    """After a random while: a worker taken at random, with its job, if it has one."""
    ends = time.monotonic() + dice.uniform(0.2, 4.0)
    while time.monotonic() < ends:
        losses.look(site)
        time.sleep(LOOK_SECONDS)
    worker = dice.choice(site.workers)
    job = site.find_running(worker) if worker.is_up else None
    if job is not None:
        yield worker, job


def wait_for_holder(site: Site, job_id: str) -> Part:
    """The worker that runs a job, once one does."""
    found: list[Part] = []

    def is_held() -> bool:
        for worker in site.workers:
            job = site.find_running(worker) if worker.is_up else None
            if job is not None and job.id == job_id and job.stage == "segment":
                found.append(worker)
        return bool(found)

    wait_until(is_held, f"{job_id} to run")
    return found[0]


def count_refusals(site: Site) -> int:
    """How often a worker was told that its lease was over."""
    return sum(part.log.read_text().count("Nothing of it was kept.") for part in site.workers)


def _count(jobs: list[Job], state: JobState) -> int:
    return sum(job.state is state for job in jobs)


def _same(before: set[int], after: set[int]) -> str:
    return "the same" if before == after else f"{before} became {after}"


def _alive(worker: Part, main: int) -> Finding:
    lives = worker.is_up and worker.process_id == main and worker.starts == 1
    return Finding("the worker's main process", "lives" if lives else "died", "lives", lives)
