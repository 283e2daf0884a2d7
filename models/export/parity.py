"""Whether an exported graph answers as PyTorch does, on every runtime that is installed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.export.network_runners import Runner
from models.export.onnx_export import ExportError

BATCHES = (1, 2, 3)


@dataclass(frozen=True)
class Parity:
    """How far one runtime is from PyTorch on the same images.

    `largest_difference`: of any logit; `argmax_mismatch`: the share of voxels that get another
    label; `images`: how many were compared.
    """

    runtime: str
    largest_difference: float
    argmax_mismatch: float
    images: int


def random_batches(shape_zyx: tuple[int, int, int], seed: int = 0) -> list[Tensor]:
    """Images of noise over the usual range of a network's input, in batches of 1, 2 and 3."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.rand(batch, 1, *shape_zyx, generator=generator) * 2 - 1 for batch in BATCHES]


def real_batches(windows: Sequence[Tensor]) -> list[Tensor]:
    """Windows (1, z, y, x) of scans in batches of 1, 2 and 3, as far as they reach."""
    batches, start = [], 0
    for size in BATCHES:
        taken = windows[start : start + size]
        if len(taken) == size:
            batches.append(torch.stack(list(taken)))
        start += size
    return batches


def measure_parity(
    network: nn.Module, runners: Iterable[Runner], batches: Sequence[Tensor]
) -> tuple[Parity, ...]:
    """Each runtime against the network in float32 on `batches`, each (B, 1, z, y, x)."""
    network.eval()
    with torch.no_grad():
        expected = [network(batch).float().numpy() for batch in batches]
    return tuple(_parity(runner, batches, expected) for runner in runners)


def check_parity(found: Sequence[Parity], tolerance: float) -> Parity:
    """The worst of them; raises `ExportError` if that strays by more than `tolerance`."""
    # A logit that is not a number compares as neither smaller nor larger.
    worst = max(found, key=lambda one: (np.isnan(one.largest_difference), one.largest_difference))
    if not worst.largest_difference <= tolerance:
        raise ExportError(
            f"a logit of {worst.runtime} strays from PyTorch by {worst.largest_difference:.3g}, "
            f"more than {tolerance:g}; {worst.argmax_mismatch:.2%} of the voxels get another label"
        )
    return worst


def _parity(
    runner: Runner, batches: Sequence[Tensor], expected: Sequence[NDArray[np.float32]]
) -> Parity:
    largest, other_label, voxels = 0.0, 0, 0
    for batch, wanted in zip(batches, expected, strict=True):
        answered = runner.run(batch.numpy())
        if answered.shape != wanted.shape:
            raise ExportError(
                f"{runner.runtime} answers {answered.shape}, PyTorch {wanted.shape}, for a batch "
                f"of {len(batch)}"
            )
        largest = float(np.maximum(largest, np.abs(answered - wanted).max()))
        different = answered.argmax(axis=1) != wanted.argmax(axis=1)  # (B, z, y, x)
        other_label += int(different.sum())
        voxels += different.size
    return Parity(runner.runtime, largest, other_label / voxels, sum(map(len, batches)))
