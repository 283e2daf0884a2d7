"""The trials, each with the goals that it proves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.chaos import (
    clock_trials,
    database_trials,
    delivery_trials,
    disk_trials,
    load_trials,
    network_trials,
    queue_trials,
    soak_trial,
    upload_trials,
    worker_trials,
)
from tests.chaos.findings import Finding, Scale


@dataclass(frozen=True)
class Trial:
    """`title`: what is done to the site; `needs_root`: to mount a disk, or to fail its calls."""

    name: str
    title: str
    run: Callable[[Path, Scale], list[Finding]]
    needs_root: bool = False


TRIALS = (
    Trial("worker-groups-killed", "Whole workers are killed", worker_trials.kill_worker_groups),
    Trial("children-killed", "The processes that run jobs are killed", worker_trials.kill_children),
    Trial("poison", "Two jobs kill their process every time", worker_trials.poison),
    Trial("memory", "Jobs run out of memory", worker_trials.run_out_of_memory),
    Trial("zombies", "Frozen workers wake after their leases", worker_trials.wake_zombies),
    Trial("stopped", "Workers are told to stop in the middle of a job", worker_trials.stop_workers),
    Trial("redis", "Redis is killed, wiped, frozen, and away", queue_trials.break_redis),
    Trial("lost-messages", "Messages are lost on their way", queue_trials.lose_messages),
    Trial("confused-messages", "Messages are doubled or strange", queue_trials.confuse_messages),
    Trial("deaf-worker", "A worker hears nothing", queue_trials.deafen_worker),
    Trial(
        "cut-uploads", "The service is killed in the middle of uploads", upload_trials.cut_uploads
    ),
    Trial("everything-killed", "Everything is killed at once", upload_trials.kill_everything),
    Trial("same-series", "Twenty clients send one series at once", upload_trials.send_the_same),
    Trial("postgresql", "PostgreSQL is killed, and so are workers", database_trials.kill_database),
    Trial("full-disk", "The disk is full", disk_trials.fill_disk, needs_root=True),
    Trial("failing-disk", "Calls to the disk fail", disk_trials.fail_calls, needs_root=True),
    Trial(
        "order",
        "What is on the disk before an upload is acknowledged",
        disk_trials.watch_order,
        needs_root=True,
    ),
    Trial("clocks", "Clocks are wrong, and set", clock_trials.set_clocks),
    Trial("deep-queue", "A thousand jobs wait", load_trials.queue_deep),
    Trial("large-series", "Large series are sent", load_trials.send_large),
    Trial("cut-stow", "The service is killed in the middle of STOW-RS", network_trials.cut_stow),
    Trial(
        "cut-store", "The DICOM node is killed in the middle of C-STORE", network_trials.cut_store
    ),
    Trial("redis-away-stow", "Redis is away while STOW-RS sends", network_trials.lose_redis),
    Trial(
        "receiver-down", "Receivers are dead, refuse, or break off", delivery_trials.break_receivers
    ),
    Trial(
        "full-disk-stow",
        "The disk is full while STOW-RS and C-STORE send",
        network_trials.fill_disk,
        needs_root=True,
    ),
    Trial("crowd", "25 associations and 20 HTTP clients at once", network_trials.crowd),
    Trial("soak", "A long day with all of it", soak_trial.soak),
)
