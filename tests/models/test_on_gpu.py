"""The GPU's runtimes on a real one: other tests of them show only that they are called right.

Skipped where there is none, and not run so far.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from contouring.errors import RuntimeUnavailableError
from models.bundles import RELEASED, Bundle, read_bundle
from models.cascades import open_cascade
from models.runtime_names import RuntimeName
from models.runtimes.engine_builds import build_ordered, find_here, order_engines
from models.runtimes.engine_folder import EngineFolder

ON_GPU = [one for one in RuntimeName if one is not RuntimeName.AUTO and not one.runs_on_cpu]


@pytest.mark.gpu
@pytest.mark.parametrize("runtime", ON_GPU)
@pytest.mark.parametrize("model", ["commissioning", "hn-oar"])
def test_a_gpu_answers_as_the_cpu_does(runtime: RuntimeName, model: str, tmp_path: Path) -> None:
    """Windows of several sizes, one after the other in the same memory."""
    bundle = read_bundle(RELEASED / model)
    prepare(bundle, runtime, tmp_path)
    expected, found = (
        open_cascade(bundle, runtime=one, engines=tmp_path).segmenter.predictor
        for one in (RuntimeName.ONNX_CPU, runtime)
    )
    for k, shape in enumerate([(16, 32, 48), (16, 16, 16), (16, 48, 32), (16, 32, 48)]):
        window = np.random.default_rng(k).uniform(-1, 1, (1, *shape)).astype(np.float32)

        ours, theirs = expected.predict(window), found.predict(window)

        assert np.abs(ours - theirs).max() < 1e-2
        assert (ours.argmax(axis=1) != theirs.argmax(axis=1)).mean() < 1e-3


def prepare(bundle: Bundle, runtime: RuntimeName, engines: Path) -> None:
    """Build what the runtime needs, or skip with the reason why it cannot be used."""
    try:
        if not runtime.runs_engines:
            open_cascade(bundle, runtime=runtime)
            return
        here = find_here(runtime)
    except RuntimeUnavailableError as error:
        pytest.skip(f"no NVIDIA GPU that can be used: {error}")
    for order in order_engines(bundle, runtime, here):
        build_ordered(order, EngineFolder(engines), datetime.now(UTC))
