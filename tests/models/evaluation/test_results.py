"""The file that tables are built from."""

from __future__ import annotations

from pathlib import Path

import pytest

from contouring.errors import UnusableInputError
from models.evaluation.results import Coverage, encode_evaluation, read_evaluation
from tests.models.evaluation.made_evaluations import made_evaluation


def test_an_evaluation_comes_back_from_its_file_as_it_was(tmp_path: Path) -> None:
    """Tables are built from files of months ago."""
    evaluation = made_evaluation(
        [{"Bone": 0.9, "Fat": None}, {"Bone": 0.123}], coverage=Coverage(100, 1, 0.2)
    )
    (tmp_path / "evaluation.json").write_bytes(encode_evaluation(evaluation))

    again = read_evaluation(tmp_path / "evaluation.json")

    assert again == evaluation


@pytest.mark.parametrize("content", [b"", b"{}", b'{"format": 2}'])
def test_a_file_that_is_no_evaluation_is_named(tmp_path: Path, content: bytes) -> None:
    """Among many files, the one to make again."""
    path = tmp_path / "evaluation.json"
    path.write_bytes(content)

    with pytest.raises(UnusableInputError, match=r"evaluation\.json .*oarlock evaluate"):
        read_evaluation(path)


def test_structures_that_nobody_drew_are_not_listed() -> None:
    """A row without a figure says nothing."""
    evaluation = made_evaluation([{"Fat": 0.5}], structures=("Bone", "Fat"))

    assert evaluation.structures == ("Fat",)


def test_one_lost_voxel_makes_a_coverage_incomplete() -> None:
    """The promise is every labelled voxel."""
    assert Coverage(1000, 0, 0.2).is_complete
    assert not Coverage(1000, 1, 0.2).is_complete
