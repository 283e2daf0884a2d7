"""What the check-up of a machine advises."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models.bundles import RELEASED, read_bundle
from models.runtime_names import RuntimeName
from models.runtimes.check_up import ModelTiming, find_faster_on_cpu, pick_faster

USED = ModelTiming(
    "brain", RuntimeName.OPENVINO, "OpenVINO 1 (CPU)", "float32", (), (96, 96, 96), 3.0, 1.0
)


@pytest.mark.parametrize(("seconds", "is_told"), [((0.5,), True), ((0.9,), False), ((), False)])
def test_another_runtime_is_told_of_where_it_is_faster_by_more_than_chance(
    seconds: tuple[float, ...], is_told: bool
) -> None:
    """OpenVINO is the faster one for most networks, and not for all."""
    others = [replace(USED, name=RuntimeName.ONNX_CPU, next_seconds=one) for one in seconds]

    faster = pick_faster(USED, others)

    assert faster == (others[0] if is_told else None)


def test_every_other_runtime_of_the_cpu_is_timed() -> None:
    """On the model that a site has, not on another one."""
    bundle = read_bundle(RELEASED / "commissioning")

    faster = find_faster_on_cpu(replace(USED, next_seconds=1e9), bundle, 1)

    assert faster is not None
    assert (faster.name, faster.model) == (RuntimeName.ONNX_CPU, "commissioning")


def test_beside_a_gpu_no_cpu_is_timed() -> None:
    """It would take minutes to be told what everybody knows."""
    bundle = read_bundle(RELEASED / "commissioning")
    used = replace(USED, name=RuntimeName.ONNX_CUDA, next_seconds=1e9)

    assert find_faster_on_cpu(used, bundle, 1) is None
