"""How many GPUs or workers a day's planning CTs need: a simulation of Oarlock's queue.

    python -m benchmarks.queueing --seconds 3 --a-day 400     for numbers of one's own
    python -m benchmarks.queueing --page                      writes docs/sizing.md and its picture

Seconds are those for which a worker, or a GPU, has a job. Without `--seconds` they are those that
`python -m benchmarks.jobs_per_hour` measured last, of workers with a core each.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.arrivals import SPREAD, WORKING_DAY, DayShape, ServiceTime
from benchmarks.sizing import GOALS_S, MOST_WORKERS, Sizing, size
from benchmarks.sizing_page import (
    LOADS,
    Scenario,
    build_scenarios,
    show_seconds,
    show_share,
    write_page,
)
from benchmarks.throughput import RECORD, Measurement, read_record


def main() -> None:
    """Command line of the module."""
    parser = _build_parser()
    options = parser.parse_args()
    measured = read_record() if RECORD.is_file() else None
    try:
        if options.page:
            write_page(size_all(build_scenarios(measured)), measured)
        else:
            shape = read_shape(options)
            service = _read_service(options, measured)
            with Console(stderr=True).status(f"{options.a_day:g} CTs a day"):
                sizing = size(options.a_day, service, shape, options.most, options.seed)
            report(sizing, options.goals, options.most)
    except ValueError as error:
        parser.error(str(error))


def size_all(scenarios: Iterable[Scenario]) -> dict[Scenario, list[Sizing]]:
    """Every scenario of the page at every load of it: some minutes, told on the terminal."""
    return {
        scenario: [
            size(a_day, scenario.service, DayShape())
            for a_day in track(LOADS, f"{scenario.title}", console=Console(stderr=True))
        ]
        for scenario in scenarios
    }


def read_shape(options: argparse.Namespace) -> DayShape:
    """The day that the options describe; raises `ValueError` where there is none such."""
    return DayShape(
        by_hour=tuple(options.by_hour),
        group_size=options.group,
        batch_share=options.batch,
        urgent_share=options.urgent,
    )


def report(sizing: Sizing, goals_s: Iterable[float], most: int) -> None:
    """Print waits for each number of workers, and the knee of each goal."""
    console = Console(width=100)
    table = Table(box=box.SIMPLE_HEAD, title=f"{sizing.a_day:g} CTs a day: how long they wait")
    for heading in ("workers", "p50", "p95", "p99", "urgent p95", "busy", "busiest hour"):
        table.add_column(heading, justify="right")
    for waits in sizing.waits:
        seconds = (waits.p50_s, waits.p95_s, waits.p99_s, waits.urgent_p95_s)
        shares = (show_share(waits.utilisation), show_share(waits.busiest_hour))
        table.add_row(str(waits.workers), *(show_seconds(each) for each in seconds), *shares)
    if sizing.waits:
        console.print(table)
    for goal_s in goals_s:
        knee = sizing.find_knee(goal_s)
        number = f"more than {most}" if knee is None else f"{knee.workers}"
        console.print(f"95 of 100 jobs start within {show_seconds(goal_s)}: {number}")


def _read_service(options: argparse.Namespace, measured: Measurement | None) -> ServiceTime:
    if options.seconds is not None:
        return ServiceTime((options.seconds,), options.spread)
    if measured is None:
        raise ValueError("give --seconds, or let benchmarks.jobs_per_hour measure them")
    return ServiceTime(measured.find_busiest().cycle_s, options.spread)


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("--a-day", type=float, metavar="N", help="planning CTs a day")
    asked.add_argument("--page", action="store_true", help="write docs/sizing.md")
    day = DayShape()
    for name, kind, default, told in (
        ("--spread", float, SPREAD, "of a job's seconds: standard deviation over mean"),
        ("--most", int, MOST_WORKERS, "workers that are looked at"),
        ("--group", float, day.group_size, "mean number of CTs that are sent in a row"),
        ("--batch", float, day.batch_share, "share of the CTs that is kept for the evening"),
        ("--urgent", float, day.urgent_share, "share of the CTs that is urgent"),
        ("--seed", int, 0, "of the simulation's chance"),
    ):
        parser.add_argument(name, type=kind, default=default, help=f"{told} (%(default)s)")
    parser.add_argument(
        "--seconds", type=float, help="for which a worker has a job (as measured on this machine)"
    )
    parser.add_argument(
        "--goals",
        type=float,
        nargs="+",
        default=GOALS_S,
        metavar="SECONDS",
        help="within which 95 of 100 jobs are to start",
    )
    parser.add_argument(
        "--by-hour",
        type=float,
        nargs="+",
        default=WORKING_DAY,
        metavar="WEIGHT",
        help="24 of them: CTs of each hour from midnight on, in any unit",
    )
    return parser


if __name__ == "__main__":
    main()
