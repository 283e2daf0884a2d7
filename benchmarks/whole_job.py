"""A whole job of `hn-oar`, warm, beside the same network used the usual way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks.figures import Aim, Row
from benchmarks.turns import take_turns

OURS, USUAL = "Oarlock", "the usual way"
TIME_AIM, MEMORY_AIM = Aim("at most", 0.2), Aim("at most", 0.45)


def measure_whole_job(
    series: Path, slices: int, threads: int, runs: int, tell: Callable[[str], None]
) -> list[Row]:
    """Time, with the first run apart, and peak memory."""
    ways = {
        OURS: ("benchmarks.our_way", str(series), str(threads)),
        USUAL: ("benchmarks.usual_way", str(series), str(threads)),
    }
    found = take_turns(ways, runs, threads, lambda text: tell(f"{slices} slices: {text}"))
    ours, usual = found[OURS], found[USUAL]
    what = f"`hn-oar`, 512 x 512 x {slices}"
    return [
        Row(
            group="Whole job",
            what=f"{what}, warm",
            unit="s",
            ours=ours.seconds,
            peer=USUAL,
            theirs=usual.seconds,
            aim=TIME_AIM,
            note=f"the first job of a process: {ours.first_seconds:.2f} s to "
            f"{usual.first_seconds:.2f} s; ours by stage, s: {ours.tell_stages()}",
        ),
        Row(
            group="Whole job",
            what=f"{what}, peak memory",
            unit="GB",
            ours=ours.peak_gb,
            peer=USUAL,
            theirs=usual.peak_gb,
            aim=MEMORY_AIM,
        ),
    ]
