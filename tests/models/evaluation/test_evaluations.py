"""Bundles evaluated on made data, from the images to the figures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("monai", reason="needs the training extra")

from contouring import pipeline
from contouring.dicom_series import read_series
from contouring.errors import InferenceError, UnusableInputError
from contouring.pipeline import contour_series
from models.bundles import RELEASED, read_bundle
from models.cascades import open_cascade
from models.evaluation import case_results, localizer_coverage
from models.evaluation.case_results import STAMP, Names
from models.evaluation.data_folder import find_scans
from models.evaluation.evaluations import Work, evaluate_bundle
from models.evaluation.nnunet_scans import Showing
from models.evaluation.results import Evaluation
from tests.models.evaluation.made_evaluations import (
    write_bone_bundle,
    write_made_data,
)
from tests.phantoms import write_small_series


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three made cases: a and b to train on, and c."""
    return write_made_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def evaluate(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Callable[..., Evaluation]:
    """Evaluates a bundle that contours Bone, and knows no Fat."""
    folder = write_bone_bundle(tmp_path_factory.mktemp("models") / "plain")

    def run(names: Names | None = None, jobs: int = 1, split: str = "val") -> Evaluation:
        found = find_scans(data, split)
        work = Work(jobs, threads=1)
        return evaluate_bundle(read_bundle(folder), found.scans, found.data, names, work)

    return run


def test_a_bundle_is_judged_by_the_structure_set_that_it_writes(
    evaluate: Callable[..., Evaluation],
) -> None:
    """A threshold at the right place finds the made organ nearly to the voxel."""
    evaluation = evaluate()

    (case,) = evaluation.cases
    assert case.name == "c"
    assert case.scores["Bone"].dice > 0.95
    assert case.scores["Bone"].hausdorff_mm < 6.0
    assert case.seconds > 0
    assert (evaluation.model.name, evaluation.data.split) == ("plain", "val")


def test_only_structures_of_the_model_are_judged(evaluate: Callable[..., Evaluation]) -> None:
    """What the model does not promise, it cannot miss."""
    (case,) = evaluate().cases

    assert set(case.scores) == {"Bone"}


def test_a_structure_is_found_under_another_name_if_told(
    evaluate: Callable[..., Evaluation],
) -> None:
    """Every clinic has names of its own; here its Fat is taken for the model's Bone."""
    (case,) = evaluate(Names({"Fat": "Bone", "Bone": "Other"})).cases

    assert case.scores["Bone"].dice < 0.1


def test_several_processes_find_what_one_does_in_the_same_order(
    evaluate: Callable[..., Evaluation],
) -> None:
    """Cases end in any order; tables must not depend on it."""
    one = evaluate(split="train")

    two = evaluate(split="train", jobs=2)

    assert [case.name for case in one.cases] == ["a", "b"]
    assert [(c.name, c.scores) for c in two.cases] == [(c.name, c.scores) for c in one.cases]


def test_a_case_that_fails_counts_as_one_where_nothing_was_found(
    evaluate: Callable[..., Evaluation], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its user got no contours; left out, it would make the model look better."""

    def fail(*_: object) -> None:
        raise InferenceError("the network failed")

    monkeypatch.setattr(case_results, "contour_series", fail)

    (case,) = evaluate().cases

    assert not case.scores["Bone"].is_found
    assert "the network failed" in case.notes[0]


def test_a_case_whose_localizer_fails_is_not_left_out(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The localizer is run once more to be measured, and fails once more."""

    def fail(*_: object) -> None:
        raise InferenceError("the scan is the same throughout")

    monkeypatch.setattr(pipeline, "find_region", fail)
    monkeypatch.setattr(localizer_coverage, "find_region", fail)
    bundle = read_bundle(write_bone_bundle(tmp_path / "model", localizer_margin_mm=0.0))
    found = find_scans(data, "val")

    evaluation = evaluate_bundle(bundle, found.scans, found.data, work=Work(threads=1))

    (case,) = evaluation.cases
    assert not case.scores["Bone"].is_found
    assert case.coverage is not None
    assert case.coverage.kept_share == 0.0
    assert not case.coverage.is_complete


def test_a_case_without_any_of_the_model_s_structures_is_left_out(
    evaluate: Callable[..., Evaluation],
) -> None:
    """There is no truth to hold it against; the reason says what was drawn."""
    evaluation = evaluate(Names({"Bone": "Other"}))

    assert evaluation.cases == ()
    assert "Bone, Fat" in evaluation.left_out[0].reason


@pytest.mark.parametrize(("margin_mm", "is_complete"), [(0.0, False), (200.0, True)])
def test_the_localizer_is_measured_on_its_own(
    tmp_path: Path, margin_mm: float, is_complete: bool
) -> None:
    """Fat, which this localizer does not see, lies outside unless the margin is wide."""
    data = write_made_data(tmp_path / "data", ["a"])
    bundle = write_bone_bundle(tmp_path / "model", localizer_margin_mm=margin_mm)
    found = find_scans(data)
    both = Names({"Bone": "Other", "Fat": "Bone"})

    evaluation = evaluate_bundle(
        read_bundle(bundle), found.scans, found.data, both, Work(threads=1)
    )

    coverage = evaluation.cases[0].coverage
    assert coverage is not None
    assert coverage.labelled_voxels > 100
    assert coverage.is_complete == is_complete
    assert (coverage.kept_share == 1.0) == is_complete


def test_finer_pixels_show_the_same_case(data: Path) -> None:
    """A scanner's 512 columns, from data that was published on 48."""
    (scan,) = find_scans(data, "val", Showing(columns=96)).scans
    (coarse,) = find_scans(data, "val").scans
    folder = data.parent

    fine = scan.open(folder / "fine")
    plain = coarse.open(folder / "plain")

    volumes = [
        float(one.drawn["Bone"].sum() * np.prod(one.series.grid.spacing_zyx_mm))
        for one in (fine, plain)
    ]
    assert fine.series.shape_zyx == (40, 96, 96)
    assert volumes[0] == pytest.approx(volumes[1], rel=0.05)


def test_blanked_surroundings_can_be_filled(data: Path) -> None:
    """A model must not rely on air that publishers made."""
    (scan,) = find_scans(data, "val", Showing(surroundings_mm=500.0)).scans

    opened = scan.open(data.parent / "filled")

    assert opened.series.header.RescaleIntercept == -1024
    corners = opened.series.instances[0].path.read_bytes()[-2:]
    assert int.from_bytes(corners, "little") - 1024 > -200


def test_a_model_held_against_its_own_structure_set_scores_full_marks(tmp_path: Path) -> None:
    """The way through DICOM, out and in again, loses no voxel."""
    bundle = read_bundle(RELEASED / "commissioning")
    write_small_series(tmp_path / "patient" / "ct")
    series = read_series(tmp_path / "patient" / "ct")
    (output,) = contour_series(series, open_cascade(bundle, 1), STAMP).outputs
    (tmp_path / "patient" / "drawn.dcm").write_bytes(output.rtstruct)
    found = find_scans(tmp_path)

    (case,) = evaluate_bundle(bundle, found.scans, found.data, work=Work(threads=1)).cases

    assert case.name == "patient"
    assert [(s.dice, s.hausdorff_mm, s.is_found) for s in case.scores.values()] == [
        (1.0, 0.0, True)
    ]


def test_dicom_is_judged_as_it_is(tmp_path: Path) -> None:
    """Its pixels are a scanner's own; an option that changed nothing would be believed."""
    with pytest.raises(UnusableInputError, match="judged as they are"):
        find_scans(tmp_path, "val", Showing(columns=512))


def test_a_folder_without_cases_says_what_it_should_hold(tmp_path: Path, data: Path) -> None:
    """Named are both layouts, or the splits that there are."""
    with pytest.raises(UnusableInputError, match=r"dataset\.json.*RTSTRUCT"):
        find_scans(tmp_path)
    with pytest.raises(UnusableInputError, match="no labelled case in split 'test'"):
        find_scans(data, "test")
