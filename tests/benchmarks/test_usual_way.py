"""The peer of the pipeline's benchmark: it must run the same network."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("monai", reason="needs the training extra")

import torch

from benchmarks.usual_way import BUNDLE, released_network
from models.cascades import open_cascade
from models.runtime_names import RuntimeName


def test_the_usual_way_runs_the_released_network() -> None:
    """Read back from its graph into PyTorch, it answers as the released one."""
    window = np.random.default_rng(3).uniform(-1, 1, (1, 32, 32, 32)).astype(np.float32)
    cascade = open_cascade(BUNDLE, threads=1, runtime=RuntimeName.ONNX_CPU)
    ours = cascade.segmenter.predictor.predict(window)

    with torch.no_grad():
        theirs = released_network()(torch.from_numpy(window[:, None])).numpy()

    assert np.abs(ours - theirs).max() < 1e-3
