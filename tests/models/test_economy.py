"""A cascade that spares memory: smaller windows where the network takes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from contouring.recipe import IntensityRule, Stage
from models.bundles import read_bundle
from models.cascades import open_cascade
from models.economy import Economy, shrink_stage
from tests.models.bundle_files import build_graph, write_bundle


@pytest.mark.parametrize(
    ("window", "multiple_of", "halvings", "smaller"),
    [
        ((128, 64, 64), 16, 0, (128, 64, 64)),
        ((128, 64, 64), 16, 1, (64, 64, 64)),
        ((128, 64, 64), 16, 2, (32, 64, 64)),
        ((96, 96, 96), 32, 1, (64, 96, 96)),
        ((1, 224, 224), 32, 1, (1, 128, 224)),
        ((16, 16, 16), 16, 2, (16, 16, 16)),
    ],
)
def test_the_longest_side_is_halved_to_what_the_network_can_take(
    window: tuple[int, int, int],
    multiple_of: int,
    halvings: int,
    smaller: tuple[int, int, int],
) -> None:
    """A window of another multiple would make the network fail in another way."""
    stage = Stage(IntensityRule((0, 1)), window, overlap=0.25, multiple_of=multiple_of)

    assert shrink_stage(stage, halvings).window_zyx == smaller


@pytest.mark.parametrize(
    ("sides", "wanted"), [(("z", "y", "x"), (8, 8, 16)), ((8, 16, 16), (8, 16, 16))]
)
def test_a_graph_made_for_one_window_keeps_it(
    tmp_path: Path,
    sides: tuple[int | str, int | str, int | str],
    wanted: tuple[int, int, int],
) -> None:
    """Any other gets smaller ones, says so in its plan, and answers them."""
    bundle = read_bundle(write_bundle(tmp_path / "plain", build_graph(2, sides)))

    cascade = open_cascade(bundle, threads=1, economy=Economy(halvings=1, on_cpu=True))

    assert cascade.segmenter.stage.window_zyx == wanted
    assert "x".join(str(side) for side in wanted) in cascade.plan
    assert "CPU" in cascade.runtime
    answer = cascade.segmenter.predictor.predict(np.ones((1, *wanted), np.float32))
    assert answer.shape == (1, 2, *wanted)
