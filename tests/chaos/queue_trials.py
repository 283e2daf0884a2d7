"""A Redis that dies, forgets, freezes or stays away; messages that are lost, doubled or strange."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import redis

from tests.chaos.findings import Finding, Scale, count_all, count_none, time_within
from tests.chaos.oracle import judge
from tests.chaos.patients import Patient, write_patient
from tests.chaos.script import DEAF, Script
from tests.chaos.site import QUICK, Site, run_site
from tests.workers.processes import wait_until
from workers.jobs import JobState
from workers.publisher import Publisher
from workers.queue import QUEUE, RUN_JOB, build_queue

WORK_SECONDS = 1.5
BACKLOG = 5  # two are run, and the messages of the others wait in Redis
LATE = 2  # sent while it is broken
MOST_TRIES = 10  # for each message that is to be lost


def break_redis(folder: Path, scale: Scale) -> list[Finding]:
    """Killed, wiped, frozen, or away: uploads go on, and work does when it is back."""
    dice = scale.dice()
    away = scale.pick(3, 10)
    faults: list[Callable[[Site], None]] = [kill_redis, wipe_redis, freeze_redis]
    pauses = [dice.uniform(1.0, away) for _ in range(scale.pick(3, 20))]
    if scale.is_long:
        pauses.append(120.0)
    answers, resumed = [], []
    with run_site(folder / "site", environment=None if scale.is_long else QUICK) as site:
        for number, pause in enumerate(pauses):
            patients = [
                write_patient(folder, (BACKLOG + LATE) * number + one, Script(WORK_SECONDS))
                for one in range(BACKLOG + LATE)
            ]
            for patient in patients[:BACKLOG]:
                site.send(patient)
            wait_until(lambda: bool(site.redis.llen(QUEUE)), "a message that waits")
            fault = faults[number % len(faults)] if pause <= away else kill_redis
            started = time.monotonic()
            fault(site)
            for patient in patients[BACKLOG:]:
                answers.append(time_sending(site, patient))
            time.sleep(max(0.0, started + pause - time.monotonic()))
            before = sum(job.attempt for job in site.list_jobs())
            restore_redis(site)
            back = time.monotonic()
            wait_until(
                lambda known=before: sum(job.attempt for job in site.list_jobs()) > known,
                "the next claim",
            )
            resumed.append(time.monotonic() - back)
            site.wait_until_ended()
        return [
            count_all("uploads accepted meanwhile", len(answers), LATE * len(pauses)),
            time_within("an upload's answer meanwhile", answers, 100, 5.0),
            time_within("from its return until the next job is claimed", resumed, 100, 30.0),
            *judge(site),
        ]


def kill_redis(site: Site) -> None:
    """And keep it down."""
    site.hold_down("redis")


def wipe_redis(site: Site) -> None:
    """All that it knows is gone."""
    site.redis.flushall()


def freeze_redis(site: Site) -> None:
    """It takes connections and never answers."""
    site.parts["redis"].signal(signal.SIGSTOP)


def restore_redis(site: Site) -> None:
    """Whatever was done to it."""
    site.parts["redis"].signal(signal.SIGCONT)
    site.let_up("redis")

    def answers() -> bool:
        try:
            return bool(site.redis.ping())
        except redis.RedisError:
            return False

    wait_until(answers, "Redis")


def time_sending(site: Site, patient: Patient) -> float:
    """Seconds from the first byte of an upload to its acknowledgement."""
    started = time.monotonic()
    site.send(patient)
    return time.monotonic() - started


def lose_messages(folder: Path, scale: Scale) -> list[Finding]:
    """A worker dies between taking a message from Redis and knowing of it."""
    rounds = scale.pick(1, 20)
    with run_site(folder / "site", workers=1, environment=QUICK) as site:
        (worker,) = site.workers
        lost = 0
        for number in range(MOST_TRIES * rounds):
            wait_until(lambda: is_listening(site), "a worker that waits for a message")
            os.kill(worker.process_id, signal.SIGSTOP)
            job_id = site.send(write_patient(folder, number))
            wait_until(
                lambda job=job_id: site.jobs.find(job).state is JobState.QUEUED, "the message"
            )
            # What it waits with ends after a second: Redis may have nobody to give it to any more.
            is_lost = not site.redis.llen(QUEUE)
            worker.signal(signal.SIGKILL if is_lost else signal.SIGCONT)
            site.wait_until_ended()
            lost += is_lost
            if lost == rounds:
                break
        return [count_all("messages lost on the way", lost, rounds), *judge(site)]


def is_listening(site: Site) -> bool:
    """Whether somebody waits for a message, as Redis sees it."""
    return any(client["cmd"] == "brpop" for client in site.redis.client_list())


def confuse_messages(folder: Path, scale: Scale) -> list[Finding]:
    """Each job's message ten times over, beside messages from the future and none at all."""
    count = scale.pick(3, 20)
    with run_site(folder / "site", environment=QUICK) as site:
        url = site.environment["OARLOCK_REDIS_URL"]
        publisher, queue = Publisher(url, 600), build_queue(url, 600)
        for number in range(count):
            job_id = site.send(write_patient(folder, number, Script(WORK_SECONDS)))
            publisher.publish([job_id] * 10)
            queue.send_task(RUN_JOB, args=[{"v": 99, "job": job_id, "of": "another version"}])
            queue.send_task("oarlock.unknown_task", args=[job_id])
            site.redis.rpush(QUEUE, "not a message")
        site.wait_until_ended()
        publisher.close()
        queue.close()
        attempts = [site.jobs.find(job_id).attempt for job_id in site.acknowledged]
        # Kombu ends the worker over what it cannot read, once for each.
        restarts = sum(worker.starts - 1 for worker in site.workers)
        return [
            count_none("jobs run more than once", [one for one in attempts if one != 1]),
            Finding(
                "workers started again over what is no message",
                f"{restarts} times",
                f"at most {count}, once for each",
                restarts <= count,
            ),
            *judge(site),
        ]


def deafen_worker(folder: Path, scale: Scale) -> list[Finding]:
    """A worker is connected, looks well, and hears nothing."""
    rounds = scale.pick(1, 5)
    seconds = 3.0
    environment = {**QUICK, "OARLOCK_WATCHDOG_SECONDS": str(seconds)}
    heard = []
    with run_site(folder / "site", workers=1, environment=environment) as site:
        (worker,) = site.workers
        for number in range(rounds):
            (site.data / DEAF).touch()
            worker.signal(signal.SIGKILL)
            wait_until(lambda: not (site.data / DEAF).exists(), "the deaf worker")
            starts = worker.starts
            site.send(write_patient(folder, number))
            site.wait_until_ended()
            heard.append(worker.starts - starts)
        return [
            count_all("deaf workers that ended themselves, once", heard.count(1), rounds),
            *judge(site),
        ]
