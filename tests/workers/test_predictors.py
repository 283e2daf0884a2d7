"""Models stay open in a worker, and each says where it runs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models.bundles import RELEASED, find_bundles
from models.runtime_names import RuntimeName
from workers.predictors import Predictors, runs_on_gpu

COMMISSIONING = find_bundles((RELEASED,))["commissioning"]


def test_a_model_is_open_from_its_first_job_on() -> None:
    """Until its memory is wanted back."""
    predictors = Predictors((), threads=1)

    states = [predictors.has_open(COMMISSIONING.checksum)]
    predictors.open("commissioning", COMMISSIONING.checksum)
    states.append(predictors.has_open(COMMISSIONING.checksum))
    predictors.close_all()
    states.append(predictors.has_open(COMMISSIONING.checksum))

    assert states == [False, True, False]


@pytest.mark.parametrize("runtime", [one for one in RuntimeName if one.runs_on_cpu])
def test_a_network_on_the_cpu_is_known_by_its_name(runtime: RuntimeName) -> None:
    """Beside it nothing is read ahead, whichever runtime it is."""
    predictors = Predictors((), threads=1, runtime=runtime)

    cascade = predictors.open("commissioning", COMMISSIONING.checksum)

    assert not runs_on_gpu(cascade)


@pytest.mark.parametrize(
    ("name", "is_on_gpu"),
    [
        ("ONNX Runtime 1.31.1 (CUDAExecutionProvider)", True),
        ("TensorRT 10.13.3 (NVIDIA H100, float16)", True),
        ("ONNX Runtime 1.31.1 (CUDAExecutionProvider, Conv on the CPU)", False),
        ("TensorRT 10.13.3 (NVIDIA H100), OpenVINO 2026.4.1 (CPU)", False),
    ],
)
def test_a_network_on_a_gpu_uses_nothing_of_the_cpu(name: str, is_on_gpu: bool) -> None:
    """Neither for its other network nor for some of its layers."""
    predictors = Predictors((), threads=1)
    cascade = predictors.open("commissioning", COMMISSIONING.checksum)

    assert runs_on_gpu(replace(cascade, runtime=name)) is is_on_gpu
