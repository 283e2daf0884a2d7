"""Where the time of one job goes: bars of its stages, and a flame graph of its calls."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from shutil import which

from PIL import Image, ImageDraw, ImageFont

from cli.console import warn, write_file

STAGES_PNG, STAGES_JSON, FLAMES_SVG = "stages.png", "stages.json", "flames.svg"
SAMPLES_PER_SECOND = 200
STOP_SECONDS = 30.0
ALLOW_TRACING, BY_ANYBODY = 0x59616D61, -1  # prctl(2): PR_SET_PTRACER, PR_SET_PTRACER_ANY

LABEL_PIXELS, BAR_PIXELS, LINE_PIXELS, BORDER_PIXELS = 110, 520, 28, 16
BAR, PAPER, INK = (0, 120, 150), (255, 255, 255), (30, 30, 30)


@contextmanager
def record_flames(folder: Path) -> Iterator[None]:
    """A flame graph of this process within the block, where py-spy is installed."""
    # Beside this Python, whether or not its environment was activated.
    program = which("py-spy") or which("py-spy", path=str(Path(sys.executable).parent))
    if program is None:
        warn(f"without py-spy there is no {FLAMES_SVG}: pip install py-spy")
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    ctypes.CDLL(None).prctl(ALLOW_TRACING, BY_ANYBODY, 0, 0, 0)  # by a child, too
    recording = subprocess.Popen(  # nosec B603 # our own options, and a folder that a user names
        [
            *(program, "record", "--pid", str(os.getpid()), "--rate", str(SAMPLES_PER_SECOND)),
            *("--output", str(folder / FLAMES_SVG), "--nonblocking"),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield
    finally:
        recording.send_signal(signal.SIGINT)
        try:
            _, told = recording.communicate(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            recording.kill()
            _, told = recording.communicate()
    if not (folder / FLAMES_SVG).is_file():
        warn(f"py-spy could not record this process: {told.strip()}")


def write_stages(folder: Path, stage_seconds: Mapping[str, float]) -> None:
    """The bars (PNG) and the seconds themselves (JSON)."""
    write_file(folder / STAGES_PNG, draw_stages(stage_seconds))
    rounded = {stage: round(seconds, 4) for stage, seconds in stage_seconds.items()}
    write_file(folder / STAGES_JSON, json.dumps(rounded, indent=1).encode())


def draw_stages(stage_seconds: Mapping[str, float]) -> bytes:
    """A PNG with a bar for each stage, in the order in which they ran."""
    longest = max(*stage_seconds.values(), 1e-6)
    font = ImageFont.load_default(14)
    width = 2 * BORDER_PIXELS + LABEL_PIXELS + BAR_PIXELS + LABEL_PIXELS
    height = 2 * BORDER_PIXELS + LINE_PIXELS * (len(stage_seconds) + 1)
    picture = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(picture)
    left = BORDER_PIXELS + LABEL_PIXELS
    for line, (stage, seconds) in enumerate(stage_seconds.items()):
        top = BORDER_PIXELS + LINE_PIXELS * line
        right = left + round(BAR_PIXELS * seconds / longest)
        draw.text((BORDER_PIXELS, top + 4), stage, INK, font)
        draw.rectangle((left, top + 3, right, top + LINE_PIXELS - 5), BAR)
        draw.text((right + 8, top + 4), f"{seconds:.2f} s", INK, font)
    total = f"{sum(stage_seconds.values()):.2f} s"
    draw.text((BORDER_PIXELS, height - BORDER_PIXELS - LINE_PIXELS + 8), "all", INK, font)
    draw.text((left, height - BORDER_PIXELS - LINE_PIXELS + 8), total, INK, font)
    buffer = BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
