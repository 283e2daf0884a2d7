"""One process that contours a series each time it is told to: `our_way SERIES THREADS`."""

from __future__ import annotations

import json
import resource
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from contouring.dicom_series import read_series
from contouring.pipeline import contour_series
from contouring.rtstruct import Stamp
from models.bundles import RELEASED, find_bundles
from models.cascades import open_cascade

MODEL = "hn-oar"


def main() -> None:
    """Answer each line on stdin with seconds per stage and peak memory, as JSON."""
    folder, threads = Path(sys.argv[1]), int(sys.argv[2])
    cascade = None
    for _ in sys.stdin:
        started = time.perf_counter()
        if cascade is None:
            cascade = open_cascade(find_bundles([RELEASED])[MODEL], threads)
        loaded = time.perf_counter()
        series = read_series(folder)
        found = time.perf_counter()
        stamp = Stamp(datetime(2026, 1, 1, tzinfo=UTC), version("oarlock"))
        result = contour_series(series, cascade, stamp)
        seconds = {"load model": loaded - started, "find": found - loaded, **result.stage_seconds}
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        sys.stdout.write(json.dumps({"seconds": seconds, "peak_bytes": peak}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
