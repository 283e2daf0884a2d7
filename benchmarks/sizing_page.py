"""The tables of docs/sizing.md, below the page's own words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.arrivals import HOUR_S, SPREAD, DayShape, ServiceTime
from benchmarks.sizing import GOALS_S, MOST_WORKERS, Sizing
from benchmarks.throughput import Measurement

DOCS = Path(__file__).parent.parent / "docs"
PAGE, PICTURE = DOCS / "sizing.md", DOCS / "images" / "sizing.svg"
BEGIN = "<!-- `make bench-sizing` writes what follows. -->"
LOADS = (50, 200, 400, 1000, 2000, 5000, 10_000, 20_000, 50_000)
GPU_SECONDS = (3.0, 20.0, 60.0)
ASSUMED = "An assumption until it is measured on your GPU."


@dataclass(frozen=True)
class Scenario:
    """How long a job takes; `note`: where that is known from."""

    title: str
    note: str
    service: ServiceTime
    is_measured: bool = False


def build_scenarios(measured: Measurement | None) -> list[Scenario]:
    """GPUs, whose seconds are assumed, and the workers that were measured, if they were."""
    scenarios = [
        Scenario(f"GPU, {seconds:g} s a job", ASSUMED, ServiceTime((seconds,)))
        for seconds in GPU_SECONDS
    ]
    if measured is not None:
        service = ServiceTime(measured.find_busiest().cycle_s)
        note = f"Measured: {measured.model}, {measured.series}; {measured.machine}."
        title = f"CPU, a core for each worker, {service.mean_s:.1f} s a job"
        scenarios.append(Scenario(title, note, service, is_measured=True))
    return scenarios


def write_page(sizings: Mapping[Scenario, Sequence[Sizing]], measured: Measurement | None) -> None:
    """Put the tables below the page's own words, and draw its picture."""
    from benchmarks.sizing_picture import draw_picture  # needs matplotlib, which a table does not

    PAGE.write_text(build_page(PAGE.read_text("utf-8"), sizings, measured), "utf-8")
    PICTURE.parent.mkdir(exist_ok=True)
    assumed = {each.title: found for each, found in sizings.items() if not each.is_measured}
    PICTURE.write_bytes(draw_picture(assumed))


def build_page(
    page: str, sizings: Mapping[Scenario, Sequence[Sizing]], measured: Measurement | None
) -> str:
    """The page with tables of its own words' end; raises `ValueError` without the marker."""
    words, marker, _ = page.partition(BEGIN)
    if not marker:
        raise ValueError(f"the page needs the line {BEGIN}")
    blocks = [build_block(scenario, found) for scenario, found in sizings.items()]
    kept = "" if measured is None else build_measured(measured)
    return "\n\n".join([f"{words}{BEGIN}", *blocks, kept, build_assumptions(DayShape())]) + "\n"


def build_block(scenario: Scenario, sizings: Sequence[Sizing]) -> str:
    """A scenario's table, a row for each load."""
    goals = [f"p95 within {show_seconds(goal_s)}" for goal_s in GOALS_S]
    head = ["CTs a day", *goals, "then p50", "p95", "p99", "urgent p95", "busy", "busiest hour"]
    rows = [build_row(sizing) for sizing in sizings]
    return "\n".join([f"### {scenario.title}", "", scenario.note, "", *_table(head, rows)])


def build_row(sizing: Sizing) -> list[str]:
    """The knee of each goal, and what a job waits at that of the strictest."""
    knees = [sizing.find_knee(goal_s) for goal_s in GOALS_S]
    numbers = [f"more than {MOST_WORKERS}" if knee is None else f"{knee.workers}" for knee in knees]
    at = knees[-1]
    if at is None:
        return [f"{sizing.a_day:,}", *numbers, *["-"] * 6]
    waits = [show_seconds(each) for each in (at.p50_s, at.p95_s, at.p99_s, at.urgent_p95_s)]
    return [
        f"{sizing.a_day:,}",
        *numbers,
        *waits,
        show_share(at.utilisation),
        show_share(at.busiest_hour),
    ]


def build_measured(measured: Measurement) -> str:
    """What the CPU's seconds are taken from."""
    head = ["workers", "jobs per hour", "warm job", "first job", "cores that others used"]
    rows = [
        [
            row.name,
            f"{row.jobs_per_hour:.0f}",
            f"{row.warm_job_s:.1f} s",
            f"{row.first_job_s:.1f} s",
            f"{row.other_cores:.2f}",
        ]
        for row in measured.rows
    ]
    ratio = measured.two_to_one
    told = [
        f"`{measured.model}`, {measured.series} voxels, medians; {measured.machine}; "
        f"{measured.measured_on}.",
        "" if ratio is None else f"Two workers end {ratio:.2f} times as many jobs as one.",
        "" if measured.is_quiet else "**The machine was not quiet: measure again.**",
        f"A series is uploaded in {measured.upload_s:.1f} s: one service takes about "
        f"{HOUR_S / measured.upload_s:,.0f} an hour from one sender.",
    ]
    words = " ".join(filter(None, told))
    return "\n".join(["## Jobs per hour, measured", "", words, "", *_table(head, rows)])


def build_assumptions(shape: DayShape) -> str:
    """What a day is like, in words."""
    weights = [weight / sum(shape.by_hour) for weight in shape.by_hour]
    from_hour, to_hour = shape.batch_hours
    lines = [
        "## The day that is assumed",
        "",
        "No hospital was asked: these are judgements, to be replaced by your own.",
        "",
        f"- {show_share(1 - shape.batch_share)} of the CTs come by chance over the day, with these "
        "shares of each hour (in percent, from midnight on): "
        + ", ".join(f"{100 * weight:.1f}" for weight in weights)
        + ".",
        f"- They come in rows of {shape.group_size:g} in the mean (geometric), "
        f"{shape.sending_s:g} s apart: a patient's phases, or a scanner that sends at intervals.",
        f"- {show_share(shape.batch_share)} are kept for the evening: each hospital, of "
        f"{shape.hospital_a_day:g} CTs a day, sends its own in one row that begins at any moment "
        f"from {from_hour:g} to {to_hour:g} h.",
        f"- {show_share(shape.urgent_share)} are urgent, and count as having come half an hour "
        "earlier, as in Oarlock. Nothing that runs is put down for them.",
        "- Jobs take the seconds of their table in the mean, with a standard deviation of "
        f"{show_share(SPREAD)} of it (log-normal): scans differ in length.",
    ]
    return "\n".join(lines)


def show_seconds(seconds: float) -> str:
    """As a person says it: "0 s", "45 s", "5 min", "2.5 h"."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds / 60:.2g} min"
    return f"{seconds / 3600:.3g} h"


def show_share(share: float) -> str:
    """In percent."""
    return f"{100 * share:.0f} %"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]
