"""Workers that are counted by the jobs they end in an hour."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pydicom
import pytest

from benchmarks.jobs_per_hour import build_rows, build_set_ups
from benchmarks.other_load import read_own_seconds
from benchmarks.pinned_site import run_pinned_site
from benchmarks.series_copies import write_copy
from benchmarks.sizing_page import build_measured
from benchmarks.throughput import (
    Measurement,
    Run,
    SetUp,
    Span,
    build_run,
    read_record,
    summarize,
    write_record,
)
from contouring.dicom_series import read_series
from tests.phantoms import write_small_series

START = datetime(2026, 1, 1, 8, 0, tzinfo=UTC)
ONE_CORE, TWO_WORKERS = SetUp(((0,),)), SetUp(((0,), (1,)))


def spans(*times: tuple[float, float]) -> list[Span]:
    """Beginnings and ends, in seconds."""
    return [Span(START + timedelta(seconds=a), START + timedelta(seconds=b)) for a, b in times]


def test_only_jobs_that_ran_while_all_workers_were_warm_and_busy_count() -> None:
    """The second worker opens its model longer; the first has nothing to do after 26 s."""
    first = spans((0, 10), (10, 15), (15, 20), (20, 26))
    second = spans((0, 14), (14, 19), (19, 25), (25, 29))

    run = build_run([first, second], other_cores=0.5)

    assert run.first_s == (10, 14)
    assert run.warm_s == (5, 5, 6, 5, 6, 4)
    assert run.cycle_s == (5, 6, 5, 6)


def test_the_pause_between_two_jobs_costs_jobs_per_hour() -> None:
    """A worker that looks for its next job for a second does not work in it."""
    run = build_run([spans((0, 10), (11, 15), (16, 20))], other_cores=0.0)

    row = summarize(ONE_CORE, [run])

    assert row.warm_job_s == 4
    assert row.jobs_per_hour == 3600 / 5


def test_rounds_count_together_and_workers_add_up() -> None:
    """Medians over all jobs of all rounds, times the workers."""
    runs = [Run((9.0,), (4.0,), (4.0, 5.0), 0.2), Run((8.0,), (5.0,), (60.0,), 0.4)]

    row = summarize(TWO_WORKERS, runs)

    assert row.jobs_per_hour == 2 * 3600 / 5
    assert row.cycle_s == (4.0, 5.0, 60.0)
    assert row.name == "2 workers, 1 core each"


@pytest.mark.parametrize("workers", [[[]], [spans((0, 10))]])
def test_too_few_jobs_are_refused(workers: list[list[Span]]) -> None:
    """A worker's only job tells nothing of a warm one."""
    with pytest.raises(ValueError, match="give each more"):
        summarize(ONE_CORE, [build_run(workers, other_cores=0.0)])


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Pages are made from it, long after the run."""
    one = summarize(ONE_CORE, [Run((9.0,), (4.0,), (5.0,), 0.0)])
    two = summarize(TWO_WORKERS, [Run((9.0, 9.0), (4.0,), (6.25,), 0.0)])
    measured = Measurement("hn-oar", "512 x 512 x 128", "a machine", "2026-01-01", 0.7, (one, two))

    write_record(measured, tmp_path / "record.json")
    again = read_record(tmp_path / "record.json")

    assert again == measured
    assert again.two_to_one == pytest.approx(1.6)
    assert again.find_busiest() == two


def test_two_workers_stand_beside_one_in_the_table_of_performance() -> None:
    """Where only one was measured there is nothing to hold against each other."""
    one = summarize(ONE_CORE, [Run((9.0,), (4.0,), (5.0,), 0.0)])
    two = summarize(TWO_WORKERS, [Run((9.0, 9.0), (4.0,), (6.0,), 0.0)])
    alone = Measurement("hn-oar", "512 x 512 x 128", "a machine", "2026-01-01", 0.7, (one,))

    (row,) = build_rows(replace(alone, rows=(one, two)))

    assert row.ratio == pytest.approx(1200 / 720)
    assert row.is_met
    assert build_rows(alone) == []


def test_a_machine_that_others_used_is_not_called_quiet() -> None:
    """Two workers get more of a shared machine than one: its ratio would flatter."""
    row = summarize(ONE_CORE, [Run((9.0,), (4.0,), (5.0,), 1.3)])
    measured = Measurement("hn-oar", "512 x 512 x 128", "a machine", "2026-01-01", 0.7, (row,))

    assert not measured.is_quiet
    assert "The machine was not quiet: measure again." in build_measured(measured)


def test_a_machine_is_asked_for_no_more_than_its_cores() -> None:
    """Each worker has a core of its own; one worker with two stands beside them."""
    assert build_set_ups((1, 2, 4), [3, 5]) == [
        SetUp(((3,),)),
        SetUp(((3,), (5,))),
        SetUp(((3, 5),)),
    ]
    assert build_set_ups((1, 2), [0]) == [SetUp(((0,),))]
    with pytest.raises(ValueError, match="ask for no more workers"):
        build_set_ups((4,), [0, 1])


def test_copies_are_other_patients_with_the_same_pixels(tmp_path: Path) -> None:
    """Or a server would take the second for the first one sent again."""
    slices = [pydicom.dcmread(file) for file in write_small_series(tmp_path / "made")]

    files = [*write_copy(slices, tmp_path / "1", 1), *write_copy(slices, tmp_path / "2", 2)]
    first, second = (read_series(tmp_path / name) for name in ("1", "2"))

    assert len({pydicom.dcmread(file).SOPInstanceUID for file in files}) == 2 * len(slices)
    assert first.series_instance_uid != second.series_instance_uid
    for ours, made in zip(files, slices, strict=False):
        assert np.array_equal(pydicom.dcmread(ours).pixel_array, made.pixel_array)


def test_the_work_of_our_own_processes_is_not_that_of_others() -> None:
    """Also of those that have ended, and of what they had started."""
    code = "import time\nwhile time.process_time() < 0.5: pass"
    nested = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {code!r}])"
    before = read_own_seconds()

    subprocess.run([sys.executable, "-c", nested], check=True)

    assert read_own_seconds() - before >= 0.45


def test_a_pinned_worker_runs_what_was_uploaded(tmp_path: Path) -> None:
    """The whole way with a small series: every job is the one worker's, in the order of ends."""
    slices = [pydicom.dcmread(file) for file in write_small_series(tmp_path / "made")]
    told: list[int] = []

    with run_pinned_site() as site:
        for number in range(3):
            site.send(write_copy(slices, tmp_path / f"{number}", number), "commissioning")
        (ran,) = site.run_jobs([(0,)], told.append)
        runtime = site.read_runtime()

    assert len(ran) == 3
    assert all(before.ended < after.ended for before, after in pairwise(ran))
    assert told[-1] == 3
    assert runtime


def test_a_job_that_fails_stops_the_measurement(tmp_path: Path) -> None:
    """Jobs that end early would make many of them an hour."""
    slices = [pydicom.dcmread(file) for file in write_small_series(tmp_path / "made")]
    empty = np.full_like(slices[0].pixel_array, 24)  # air: nothing is to be found
    for dataset in slices:
        dataset.PixelData = empty.tobytes()

    with run_pinned_site() as site:
        site.send(write_copy(slices, tmp_path / "air", 0), "commissioning")

        with pytest.raises(RuntimeError, match="a job is"):
            site.run_jobs([(0,)], lambda _: None)
