"""`oarlock gate`: a precision is judged on cases, and the card of a copy says how it went."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("torch", reason="needs the training extra")

import cli.gate
from cli.app import load_command
from models.bundles import read_bundle
from models.processor import Processor
from models.runtimes import choice
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


@pytest.mark.parametrize(
    ("abilities", "code", "told"),
    [
        (("AVX2",), 2, "This processor has no bfloat16"),
        (("AVX2", "bfloat16"), 0, "Passed: bfloat16 changes the mean Dice by "),
    ],
)
def test_bfloat16_is_judged_on_a_processor_that_has_it(
    abilities: tuple[str, ...],
    code: int,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Elsewhere it would compute in float32, and pass."""
    data = write_made_data(tmp_path / "data")
    bundle = write_bone_bundle(tmp_path / "bundle")
    given = ("--precision", "bfloat16", "--split", "all", "--cases", "1")
    processor = Processor("Fast 9000", 2, abilities)
    for user in (choice, cli.gate):
        monkeypatch.setattr(user, "read_processor", lambda: processor)
    arguments = [bundle, data, "--output", tmp_path / "made", *given]

    answer = CliRunner().invoke(load_command("gate"), [str(one) for one in arguments])

    assert answer.exit_code == code, answer.output
    assert told in " ".join(answer.output.split())
