"""A precision is written into a bundle with what it costs, passed or not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest

pytest.importorskip("torch", reason="needs the training extra")

from models.bundles import Bundle, read_bundle
from models.cascades import open_cascade
from models.export.gated_bundle import GatePlan, Judged, gate_bundle
from models.export.stored_weights import halve_weights, restore_weights
from models.runtime_names import RuntimeName
from tests.models.bundle_files import build_graph, write_bundle

DICE = {"Bone": 0.8}


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """A small one, of one network."""
    return read_bundle(write_bundle(tmp_path / "plain"))


class Judge:
    """Says what it is told of the float32 bundle and of the other, and keeps what it was shown."""

    def __init__(self, variant: Mapping[str, float]) -> None:
        self.answers = [DICE, variant]
        self.shown: list[Bundle] = []

    def __call__(self, folder: Path) -> Mapping[str, float]:
        self.shown.append(read_bundle(folder))
        return self.answers[len(self.shown) - 1]


def judge_in(precision: Judged, judge: Judge, bundle: Bundle, folder: Path) -> Bundle:
    """The bundle that comes out."""
    gate_bundle(bundle, folder, GatePlan(precision, judge, 8, "ONNX Runtime"))
    return read_bundle(folder)


@pytest.mark.parametrize(
    ("dice", "accepted"), [(0.7990, {"float16"}), (0.79, set())], ids=["passed", "not passed"]
)
def test_the_card_tells_what_a_precision_costs(
    bundle: Bundle, tmp_path: Path, dice: float, accepted: set[str]
) -> None:
    """Also one that costs too much: nobody needs to measure it again."""
    made = judge_in("float16", Judge({"Bone": dice}), bundle, tmp_path / "made")

    (gate,) = made.card.gates
    assert (gate.cases, gate.runtime) == (8, "ONNX Runtime")
    assert gate.mean_dice_change == pytest.approx(dice - 0.8)
    assert gate.largest_fall == pytest.approx(0.8 - dice)
    assert made.card.accepted_precisions == accepted
    assert made.checksum != bundle.checksum


def test_float16_is_judged_by_a_bundle_of_its_networks_alone(
    bundle: Bundle, tmp_path: Path
) -> None:
    """And stands beside the network of the card, which CPUs run."""
    judge = Judge(DICE)

    made = judge_in("float16", judge, bundle, tmp_path / "made")

    reference, variant = judge.shown
    half = made.card.segmenter.half
    assert half is not None
    assert reference.card.segmenter.sha256 == made.card.segmenter.sha256
    # Not the half network itself: a CPU would compute it in float32.
    assert variant.card.segmenter.sha256 not in (half.sha256, made.card.segmenter.sha256)
    assert variant.card.segmenter.half is None
    types = {one.data_type for one in onnx.load(made.folder / half.artifact).graph.initializer}
    assert types == {onnx.TensorProto.FLOAT16}


def test_bfloat16_is_judged_by_a_card_that_allows_it(bundle: Bundle, tmp_path: Path) -> None:
    """Against one that does not, also where it was judged before."""
    first = judge_in("bfloat16", Judge(DICE), bundle, tmp_path / "first")
    judge = Judge(DICE)

    again = judge_in("bfloat16", judge, first, tmp_path / "again")

    reference, variant = judge.shown
    assert reference.card.accepted_precisions == set()
    assert variant.card.accepted_precisions == {"bfloat16"}
    assert len(again.card.gates) == 1


def test_the_networks_of_a_judged_bundle_answer_as_before(bundle: Bundle, tmp_path: Path) -> None:
    """It is the same bundle, and more."""
    made = judge_in("float16", Judge(DICE), bundle, tmp_path / "made")
    window = np.random.default_rng(1).normal(size=(1, 8, 16, 16)).astype(np.float32)

    before, after = (
        open_cascade(one, runtime=RuntimeName.ONNX_CPU).segmenter.predictor.predict(window)
        for one in (bundle, made)
    )

    assert np.array_equal(before, after)


def test_weights_that_were_stored_in_half_their_size_are_restored() -> None:
    """A released network is made of them; float16 starts from the plain graph."""
    graph = build_graph(2000)

    restored = restore_weights(halve_weights(graph))

    assert [node.op_type for node in restored.graph.node] == ["Mul"]
    (weights,) = restored.graph.initializer
    assert (weights.name, weights.data_type) == ("weights", onnx.TensorProto.FLOAT)
