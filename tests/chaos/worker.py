"""A worker whose jobs take as long, and fail as badly, as their series say.

    python -m tests.chaos.worker

The rest of it is the real worker: Celery, leases, the cascade of `commissioning`, real files.
"""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Sequence

import numpy as np
from kombu import Queue

import workers.attempt
from contouring.dicom_series import CTSeries
from contouring.pipeline import Contouring, Progress, contour_series
from contouring.provenance import Stamp
from contouring.recipe import Cascade
from contouring.template import Template
from contouring.volume import CTVolume
from tests.chaos.script import DEAF, Fault, Script, read_script
from workers.settings import Settings
from workers.tasks import app
from workers.worker import run_worker

STEP_SECONDS = 0.05
PAUSE = threading.Event()  # never set; libfaketime breaks `time.sleep`, not this
MOST_VOXELS = 16 * 128 * 256  # half a window of `commissioning`


def contour_by_script(
    series: CTSeries,
    cascade: Cascade,
    stamp: Stamp,
    templates: Sequence[Template],
    progress: Progress,
    ct: CTVolume | None,
) -> Contouring:
    """`contour_series`, after the time and the fault of the series' script."""
    script = read_script(series.description)
    _take_time(script, progress)
    _misbehave(script.fault, cascade)
    return contour_series(series, cascade, stamp, templates, progress, ct)


def _take_time(script: Script, progress: Progress) -> None:
    ends = time.monotonic() + script.seconds
    while (left := ends - time.monotonic()) > 0:
        progress("segment", 1.0 - left / script.seconds)
        PAUSE.wait(min(STEP_SECONDS, left))


def _misbehave(fault: Fault, cascade: Cascade) -> None:
    if fault is Fault.DEATH:
        os.kill(os.getpid(), signal.SIGKILL)
    if fault is Fault.SEGMENTATION_FAULT:
        os.kill(os.getpid(), signal.SIGSEGV)
    if fault is Fault.MEMORY:
        np.empty(2**62, np.uint8)
    if fault is Fault.SCARCITY and math.prod(cascade.segmenter.stage.window_zyx) > MOST_VOXELS:
        raise MemoryError


def fall_deaf() -> None:
    """Listen where nobody speaks, once for each file that says so."""
    told = Settings().data / DEAF
    if told.exists():
        told.unlink()
        app.conf.task_queues = [Queue("where-nobody-speaks")]


if __name__ == "__main__":
    fall_deaf()
    workers.attempt.contour_series = contour_by_script
    run_worker(Settings())
