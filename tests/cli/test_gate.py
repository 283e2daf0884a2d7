"""`oarlock gate`: a precision is judged on cases, and the card of a copy says how it went."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the training extra")

from models.bundles import read_bundle
from models.processor import read_processor
from tests.cli.shell import run
from tests.models.evaluation.made_evaluations import write_bone_bundle, write_made_data


def test_a_precision_is_judged_by_the_structure_sets(tmp_path: Path) -> None:
    """Float16 of a network that only compares costs nothing; GPUs may have it."""
    data = write_made_data(tmp_path / "data")
    bundle = write_bone_bundle(tmp_path / "bundle")
    given = ("--precision", "float16", "--split", "all", "--cases", "1")

    answer = run("gate", bundle, data, "--output", tmp_path / "made", *given)

    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith("Passed: float16 changes the mean Dice by ")
    card = read_bundle(tmp_path / "made").card
    assert card.accepted_precisions == {"float16"}
    assert card.gates[0].runtime.endswith("(CPUExecutionProvider)")


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    """It may be the bundle itself."""
    bundle = write_bone_bundle(tmp_path / "bundle")

    answer = run("gate", bundle, tmp_path, "--output", bundle, "--precision", "float16")

    assert answer.returncode == 2
    assert "is not empty" in answer.stderr


@pytest.mark.skipif(read_processor().has_bfloat16, reason="this processor has bfloat16")
def test_bfloat16_is_not_judged_on_a_processor_without_it(tmp_path: Path) -> None:
    """It would compute in float32, and pass."""
    bundle = write_bone_bundle(tmp_path / "bundle")
    given = ("--output", tmp_path / "made", "--precision", "bfloat16")

    answer = run("gate", bundle, tmp_path, *given)

    assert answer.returncode == 2
    assert "This processor has no bfloat16" in answer.stderr
