"""A run in a process of its own, and the most memory that it held.

    python -m tests.contouring.peak_memory FOLDER BUNDLE LIMIT_GIB [whole]

With `whole` the segmenter sees the whole scan, not only what the localizer leaves to it. Prints
JSON: `before_bytes`, resident once the networks are loaded; `peak_bytes`, resident at the most;
`contoured`, the structures.
"""

from __future__ import annotations

import json
import resource
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from contouring.dicom_series import read_series
from contouring.pipeline import contour_series
from contouring.rtstruct import Stamp
from contouring.structures import Status
from models.bundles import RELEASED, read_bundle
from models.cascades import open_cascade


def main() -> None:
    """Contour the series under a limit on all writable memory that is not a file's."""
    folder, bundle, limit_gib, *whole = sys.argv[1:]
    limit = int(float(limit_gib) * 2**30)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    cascade = open_cascade(read_bundle(RELEASED / bundle), threads=2)
    if whole:
        cascade = replace(cascade, localizer=None)
    before = _resident_bytes("VmRSS")
    result = contour_series(
        read_series(Path(folder)), cascade, Stamp(datetime(2026, 3, 4, tzinfo=UTC), "0.1.0")
    )
    contoured = [a.name for a in result.outputs[0].accounts if a.status is Status.CONTOURED]
    told = {
        "before_bytes": before,
        "peak_bytes": _resident_bytes("VmHWM"),
        "contoured": contoured,
    }
    sys.stdout.write(json.dumps(told))


def _resident_bytes(key: str) -> int:
    """Of /proc/self/status: unlike `ru_maxrss` not inherited from what started the process."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    (value,) = (line.split()[1] for line in lines if line.startswith(f"{key}:"))
    return 1024 * int(value)


if __name__ == "__main__":
    main()
