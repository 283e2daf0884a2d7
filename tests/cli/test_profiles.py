"""`oarlock contour --profile`: pictures that show where the time went."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli import profiles
from cli.profiles import BAR, draw_stages
from contouring.pipeline import STAGES
from tests.cli.shell import run
from tests.phantoms import write_small_series


def measure_bars(png: bytes) -> list[int]:
    """Lengths of the bars in pixels, from the top."""
    is_bar = (np.asarray(Image.open(BytesIO(png))) == BAR).all(axis=2)
    lengths = is_bar.sum(axis=1)
    starts = np.flatnonzero((lengths > 0) & (np.roll(lengths, 1) == 0))
    return [int(lengths[start]) for start in starts]


def test_a_bar_is_as_long_as_its_stage_took() -> None:
    """In the order in which they ran."""
    bars = measure_bars(draw_stages({"read": 0.5, "segment": 2.0, "write": 1.0}))

    assert len(bars) == 3
    longest = max(bars) - 1  # the last pixel belongs to a bar, too
    assert [round((bar - 1) / longest, 2) for bar in bars] == [0.25, 1.0, 0.5]


def test_stages_that_take_no_time_are_drawn() -> None:
    """A clock may be coarse."""
    assert measure_bars(draw_stages({"read": 0.0})) == [1]


def test_a_profile_holds_every_stage_and_the_calls(tmp_path: Path) -> None:
    """From finding the series to the check of what was written."""
    write_small_series(tmp_path / "ct")

    done = run(
        *("contour", tmp_path / "ct", "--output", tmp_path / "rt.dcm"),
        *("--model", "commissioning", "--profile", tmp_path / "profile"),
    )

    assert done.returncode == 0, done.stderr
    seconds = json.loads((tmp_path / "profile" / "stages.json").read_text())
    assert [*seconds] == ["find", "open model", *(one for one in STAGES if one in seconds)]
    assert {"read", "segment", "contour", "write", "check"} <= seconds.keys()
    assert len(measure_bars((tmp_path / "profile" / "stages.png").read_bytes())) == len(seconds)
    assert "contour_series" in (tmp_path / "profile" / "flames.svg").read_text()


def test_without_py_spy_it_is_said_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is for those who look for time, not for everybody."""
    monkeypatch.setattr(profiles, "which", lambda *_, **__: None)

    with profiles.record_flames(tmp_path):
        pass

    assert "pip install py-spy" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
