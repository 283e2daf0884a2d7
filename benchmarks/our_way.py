"""Oarlock on a whole series: `our_way SERIES THREADS`."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.turns import Stopwatch, answer
from contouring.dicom_series import read_series
from contouring.pipeline import contour_series
from contouring.provenance import Stamp
from contouring.recipe import Cascade
from models.bundles import RELEASED, find_bundles
from models.cascades import open_cascade

MODEL = "hn-oar"


def main() -> None:
    """Serve `benchmarks.turns`."""
    folder, threads = Path(sys.argv[1]), int(sys.argv[2])
    opened: list[Cascade] = []

    def work(watch: Stopwatch) -> None:
        with watch.stage("open"):
            if not opened:
                opened.append(open_cascade(find_bundles([RELEASED])[MODEL], threads))
        with watch.stage("find"):
            series = read_series(folder)
        stamp = Stamp(datetime(2026, 1, 1, tzinfo=UTC), version("oarlock"))
        watch.seconds |= contour_series(series, opened[0], stamp).stage_seconds

    answer(work)


if __name__ == "__main__":
    main()
