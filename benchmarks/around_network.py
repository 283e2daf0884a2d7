"""Everything but the network, whose answers are made: from files to the structure set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks.figures import Aim, Row
from benchmarks.turns import Runs, take_turns

OURS, MONAI, TOTAL = "Oarlock", "MONAI chain", "TotalSegmentator"
FEW, MANY = 15, 104
AIM, GROWTH_AIM = Aim("at most", 1 / 6), Aim("at most", 3.0)


def measure_around(
    series: Path, slices: int, threads: int, runs: int, tell: Callable[[str], None]
) -> list[Row]:
    """A row per peer and number of structures, and how our own time grows with these.

    Of the many structures one run each is timed, for the peers take minutes.
    """
    found = {
        FEW: _measure(series, FEW, threads, runs, tell),
        MANY: _measure(series, MANY, threads, 0, tell),
    }
    rows = [
        Row(
            group="All but the network",
            what=f"{organs} structures, 512 x 512 x {slices}",
            unit="s",
            ours=found[organs][OURS].seconds,
            peer=peer,
            theirs=found[organs][peer].seconds,
            aim=AIM,
            note=f"peak memory {found[organs][OURS].peak_gb:.2f} GB to "
            f"{found[organs][peer].peak_gb:.2f} GB; by stage, s: ours "
            f"{found[organs][OURS].tell_stages()}; theirs {found[organs][peer].tell_stages()}",
        )
        for organs in (FEW, MANY)
        for peer in (MONAI, TOTAL)
    ]
    growth = Row(
        group="All but the network",
        what=f"{MANY} structures by {FEW}",
        unit="s",
        ours=found[MANY][OURS].seconds,
        peer=f"{FEW} structures",
        theirs=found[FEW][OURS].seconds,
        aim=GROWTH_AIM,
    )
    return [*rows, growth]


def _measure(
    series: Path, organs: int, threads: int, runs: int, tell: Callable[[str], None]
) -> dict[str, Runs]:
    ways = {
        OURS: ("benchmarks.our_chain", str(series), str(threads), str(organs), "large"),
        MONAI: ("benchmarks.monai_chain", str(series), str(threads), str(organs), "large"),
        TOTAL: ("benchmarks.totalsegmentator_chain", str(series), str(organs)),
    }
    return take_turns(ways, runs, threads, lambda text: tell(f"{organs} structures: {text}"))
