"""From the start of the process `oarlock contour` to its structure set on the disk."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.figures import Aim, Row

AIM = Aim("at most", 6.0)


def measure_cold_start(series: Path, slices: int, runs: int, tell: Callable[[str], None]) -> Row:
    """The row; the first run, which brings files into the system's cache, is not counted."""
    seconds = []
    for number in range(runs + 1):
        tell(f"oarlock contour, run {number} of {runs}")
        with TemporaryDirectory() as name:
            command = (_find_oarlock(), "contour", str(series), "--model", "hn-oar")
            started = time.perf_counter()
            output = Path(name) / "rtstruct.dcm"
            subprocess.run([*command, "--output", str(output)], check=True, capture_output=True)
            seconds.append(time.perf_counter() - started)
            if not output.is_file():
                raise RuntimeError("oarlock contour wrote no structure set")
    return Row(
        group="Cold start",
        what=f"`oarlock contour`, hn-oar, 512 x 512 x {slices}, process start to file",
        unit="s",
        ours=median(seconds[1:]),
        aim=AIM,
    )


def _find_oarlock() -> str:
    beside = Path(sys.executable).with_name("oarlock")
    return str(beside) if beside.is_file() else shutil.which("oarlock") or "oarlock"
