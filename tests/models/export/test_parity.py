"""The comparison with PyTorch, and what it takes for agreement."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the training extra")

from torch import nn  # noqa: E402 - torch may be missing outside CI

from models.export.network_runners import Runner, find_runners  # noqa: E402
from models.export.onnx_export import ExportError  # noqa: E402
from models.export.parity import (  # noqa: E402
    check_parity,
    measure_parity,
    random_batches,
    real_batches,
)
from tests.models.export.small_graphs import build_small_graph, made_images  # noqa: E402

SHAPE_ZYX = (2, 3, 4)


class Twice(nn.Module):
    """Two channels: the image, and its negative."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return torch.cat((image, -image), dim=1)


def _off_by(difference: float) -> Runner:
    def run(images: np.ndarray) -> np.ndarray:
        logits = np.concatenate((images, -images), axis=1)
        logits[0, 0, 0, 0, 0] += difference
        return logits

    return Runner("made", run)


def test_one_wrong_logit_among_all_batches_is_found() -> None:
    """The largest difference counts, not the mean, and every image is compared."""
    batches = [torch.full((batch, 1, *SHAPE_ZYX), 0.25) for batch in (1, 2, 3)]

    (found,) = measure_parity(Twice(), [_off_by(-0.75)], batches)

    assert found.largest_difference == pytest.approx(0.75)
    assert found.images == 6
    # One voxel of each batch goes to the other channel.
    assert found.argmax_mismatch == pytest.approx(3 / (6 * 24))


def test_the_worst_runtime_decides() -> None:
    """A bundle may be served by any of them."""
    batches = random_batches(SHAPE_ZYX)
    found = measure_parity(Twice(), [_off_by(0.0), _off_by(0.2), _off_by(0.1)], batches)

    worst = check_parity(found, 0.3)

    assert worst.largest_difference == pytest.approx(0.2)
    with pytest.raises(ExportError, match=r"strays from PyTorch by 0\.2, more than 0\.1"):
        check_parity(found, 0.1)


def test_what_is_not_a_number_never_agrees() -> None:
    """An overflow in float16 must not pass for a small difference."""
    found = measure_parity(
        Twice(), [_off_by(float("nan")), _off_by(0.0)], random_batches(SHAPE_ZYX)
    )

    with pytest.raises(ExportError, match="by nan"):
        check_parity(found, 10.0)


def test_another_shape_is_no_answer() -> None:
    """Numbers of another shape could be compared by accident."""
    runner = Runner("made", lambda images: images)

    with pytest.raises(ExportError, match=r"made answers \(1, 1, 2, 3, 4\), PyTorch \(1, 2,"):
        measure_parity(Twice(), [runner], random_batches(SHAPE_ZYX))


def test_real_windows_are_batched_as_far_as_they_reach() -> None:
    """Batches of 1, 2 and 3; what is left over would repeat a size."""
    windows = [torch.full((1, *SHAPE_ZYX), float(number)) for number in range(5)]

    batches = real_batches(windows)

    assert [batch.shape[0] for batch in batches] == [1, 2]
    assert batches[1][:, 0, 0, 0, 0].tolist() == [1.0, 2.0]


def test_every_installed_runtime_is_tried() -> None:
    """ONNX Runtime is there wherever models are made; all answer the same."""
    graph, (image,) = build_small_graph(), made_images(1)

    runners = list(find_runners(graph))

    assert runners[0].runtime.startswith("ONNX Runtime")
    first, *others = (runner.run(image) for runner in runners)
    assert first.shape == (1, 3, 6, 8, 10)
    assert all(np.abs(other - first).max() < 1e-3 for other in others)
