"""A precision below float32 is taken where it was measured, and cost next to nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from contouring.errors import InvalidBundleError
from models.bundles import Bundle, read_bundle
from models.card import GateCard, ModelCard
from models.cascades import open_cascade
from models.processor import Processor
from models.runtime_names import RuntimeName
from models.runtimes import choice
from models.runtimes.choice import RuntimePlan, pick_stage
from models.runtimes.engine_builds import build_ordered, find_here, order_engines
from models.runtimes.engine_folder import EngineFolder
from tests.models import gpu
from tests.models.bundle_files import Card, build_graph, plain_card, write_bundle
from tests.models.test_runtimes import with_another_output

PASSED = {
    "precision": "float16",
    "mean_dice_change": -0.0004,
    "largest_fall": 0.001,
    "cases": 8,
    "runtime": "ONNX Runtime 1.31.1 (CPUExecutionProvider)",
}


@pytest.fixture
def _gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine with one."""
    gpu.put_in_gpu(monkeypatch)
    yield
    gpu.forget()


def write_both(folder: Path, gates: list[dict[str, Any]]) -> Bundle:
    """A bundle with another graph as its float16 network; what was judged is in `gates`."""
    half = with_another_output().SerializeToString()

    def spoil(card: Card) -> None:
        (folder / "net-float16.onnx").write_bytes(half)
        sha256 = hashlib.sha256(half).hexdigest()
        card["segmenter"]["half"] = {"artifact": "net-float16.onnx", "sha256": sha256}
        card["gates"] = gates

    return read_bundle(write_bundle(folder, build_graph(), spoil))


@pytest.mark.parametrize(
    ("mean_change", "largest_fall", "is_passed"),
    [
        (0.01, -0.003, True),
        (-0.0019, 0.005, True),
        (-0.002, 0.001, False),
        (-0.0001, 0.0051, False),
    ],
)
def test_a_gate_is_passed_by_the_mean_and_by_every_structure(
    mean_change: float, largest_fall: float, is_passed: bool
) -> None:
    """One organ must not pay for the others."""
    gate = GateCard.model_validate(
        PASSED | {"mean_dice_change": mean_change, "largest_fall": largest_fall}
    )

    assert gate.is_passed is is_passed


@pytest.mark.usefixtures("_gpu")
@pytest.mark.parametrize(
    ("gates", "artifact", "runtime"),
    [
        ([PASSED], "net-float16.onnx", "TensorRT 10.16.1.11 (NVIDIA L4, float16)"),
        ([], "net.onnx", "TensorRT 10.16.1.11 (NVIDIA L4)"),
        ([PASSED | {"largest_fall": 0.1}], "net.onnx", "TensorRT 10.16.1.11 (NVIDIA L4)"),
    ],
    ids=["passed", "not measured", "not passed"],
)
def test_a_gpu_takes_the_float16_network_if_its_gate_is_passed(
    tmp_path: Path, gates: list[dict[str, Any]], artifact: str, runtime: str
) -> None:
    """Engines are built of the network that will run, and the file says in what it ran."""
    bundle, tensorrt = write_both(tmp_path / "both", gates), RuntimeName.TENSORRT
    engines = EngineFolder(tmp_path / "engines")
    (order,) = order_engines(bundle, tensorrt, find_here(tensorrt))
    build_ordered(order, engines, datetime(2026, 1, 1, tzinfo=UTC))

    cascade = open_cascade(bundle, runtime=tensorrt, engines=tmp_path / "engines")

    assert order.stage.artifact == artifact
    assert cascade.runtime == runtime


def test_a_cpu_runs_the_network_itself(tmp_path: Path) -> None:
    """Float16 gains nothing there."""
    cascade = open_cascade(write_both(tmp_path / "both", [PASSED]))

    assert "float16" not in cascade.runtime


@pytest.mark.parametrize(
    ("abilities", "precision", "expected"),
    [
        (("AVX2", "bfloat16"), "bfloat16", "bfloat16"),
        (("AVX2",), "bfloat16", "float32"),
        (("AVX2", "bfloat16"), "float16", "float32"),
    ],
    ids=["measured", "a processor without", "not measured"],
)
def test_openvino_takes_bfloat16_where_the_processor_has_it_and_the_gate_is_passed(
    monkeypatch: pytest.MonkeyPatch, abilities: tuple[str, ...], precision: str, expected: str
) -> None:
    """By itself it would wherever the processor has it."""
    monkeypatch.setattr(choice, "read_processor", lambda: Processor("Fast 9000", 2, abilities))
    stage = ModelCard.model_validate(plain_card()).segmenter
    plan = RuntimePlan(accepted=frozenset([precision]))

    assert pick_stage(RuntimeName.OPENVINO, stage, plan) == (stage, expected)
    assert pick_stage(RuntimeName.ONNX_CPU, stage, plan) == (stage, "float32")


def test_openvino_opens_a_network_in_bfloat16_and_says_so(tmp_path: Path) -> None:
    """On a processor without it OpenVINO takes the hint and computes in float32."""
    from models.runtimes.openvino_runtime import OpenVinoPredictor

    folder = write_bundle(tmp_path / "plain")
    stage = read_bundle(folder).card.segmenter
    window = np.ones((1, 8, 16, 16), np.float32)

    predictor = OpenVinoPredictor(folder, stage, 2, 1, "bfloat16")

    assert predictor.name.endswith("(CPU, bfloat16)")
    assert np.allclose(predictor.predict(window)[:, 1], window, rtol=0.01)


def test_a_float16_network_that_was_changed_is_refused(tmp_path: Path) -> None:
    """As the network itself is."""
    bundle = write_both(tmp_path / "both", [PASSED])
    (bundle.folder / "net-float16.onnx").write_bytes(b"changed")

    with pytest.raises(InvalidBundleError, match=r"net-float16\.onnx has the sha256"):
        read_bundle(bundle.folder)


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda card: card["gates"].append(PASSED), "has no half artifact"),
        (
            lambda card: card["gates"].extend([PASSED | {"precision": "bfloat16"}] * 2),
            "each precision is judged once",
        ),
    ],
    ids=["without a network", "twice"],
)
def test_gates_that_make_no_sense_are_refused(spoil: Callable[[Card], None], fault: str) -> None:
    """The card is what a site trusts."""
    card = plain_card() | {"gates": []}
    spoil(card)

    with pytest.raises(ValidationError, match=fault):
        ModelCard.model_validate(card)
