"""Data sets in nnU-Net's raw layout, in whatever way their files are turned."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

nibabel = pytest.importorskip("nibabel", reason="needs the training extra")

from models.training.cases import AIR_HU, read_cases  # noqa: E402 - nibabel may be missing outside CI
from models.training.dataset import (  # noqa: E402
    DatasetError,
    read_dataset,
    read_volume,
    write_labels,
)
from tests.models.phantom_cases import SPACING_ZYX_MM, phantom_case, write_phantom_dataset  # noqa: E402

NAMES = ("Heart", "Lung_R", "Lung_L")
CASES = ("one", "two", "three", "four")
SHAPE = (12, 16, 20)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four cases; of the second only the heart was drawn."""
    return write_phantom_dataset(
        tmp_path, CASES, NAMES, SHAPE, (3.0, 2.0, 1.5), drawn={"two": ["Heart"]}
    )


def test_cases_are_read_by_split_with_what_was_drawn(folder: Path) -> None:
    """An absent structure is not background truth, so it must be known."""
    train, val = read_cases(folder, "train"), read_cases(folder, "val")

    assert [case.name for case in train] == ["one", "two", "three"]
    assert [case.name for case in val] == ["four"]
    assert train[0].spacing_zyx_mm == (3.0, 2.0, 1.5)
    assert train[0].hu.shape == train[0].labels.shape == SHAPE
    assert [list(case.is_drawn) for case in train[:2]] == [
        [True, True, True, True],
        [True, True, False, False],
    ]
    assert set(np.unique(train[1].labels)) == {0, 1}


def test_labels_follow_the_names_that_are_asked_for(folder: Path) -> None:
    """A recipe numbers its structures itself; one that the data does not know is not drawn."""
    own = read_cases(folder, "val")[0]

    case = read_cases(folder, "val", ("Lung_L", "Liver", "Heart"))[0]

    assert case.structures == ("Lung_L", "Liver", "Heart")
    assert list(case.is_drawn) == [True, True, False, True]
    assert np.array_equal(case.labels == 1, own.labels == 3)
    assert np.array_equal(case.labels == 3, own.labels == 1)


def rewrite_labels(folder: Path, codes: str, shift_mm: float) -> None:
    """The labels of `one`, turned to `codes` and moved towards the left."""
    path = folder / "labelsTr" / "one.nii.gz"
    labels = nibabel.Nifti1Image.from_bytes(nibabel.Nifti1Image.from_filename(path).to_bytes())
    turn = nibabel.orientations.ornt_transform(
        nibabel.orientations.io_orientation(labels.affine),
        nibabel.orientations.axcodes2ornt(codes),
    )
    turned = labels.as_reoriented(turn)
    turned.affine[0, 3] -= shift_mm
    nibabel.Nifti1Image(turned.dataobj, turned.affine).to_filename(path)


def test_labels_may_be_turned_otherwise_than_their_image(folder: Path) -> None:
    """A tool that draws writes axes in its own order; the places are the same."""
    straight = read_cases(folder, "train")[0]
    rewrite_labels(folder, "SAL", shift_mm=0.0)

    turned = read_cases(folder, "train")[0]

    assert np.array_equal(turned.labels, straight.labels)


def test_labels_that_lie_elsewhere_than_their_image_are_refused(folder: Path) -> None:
    """As many voxels, one voxel to the side: every border would be learned wrong."""
    rewrite_labels(folder, "LPS", shift_mm=1.5)

    with pytest.raises(DatasetError, match="its grid is not the image's"):
        read_cases(folder, "train")


@pytest.mark.parametrize("codes", ["LPS", "RAS", "SAL", "PIR"])
def test_arrays_run_towards_head_back_and_left_however_a_file_is_turned(
    tmp_path: Path, codes: str
) -> None:
    """A tool writes the axes as it likes; left must stay left."""
    hu, _ = phantom_case("one", NAMES, SHAPE)
    z_mm, y_mm, x_mm = SPACING_ZYX_MM
    straight = nibabel.Nifti1Image(hu.transpose(2, 1, 0), np.diag([-x_mm, -y_mm, z_mm, 1.0]))
    turn = nibabel.orientations.ornt_transform(
        nibabel.orientations.axcodes2ornt("LPS"), nibabel.orientations.axcodes2ornt(codes)
    )
    straight.as_reoriented(turn).to_filename(tmp_path / "turned.nii.gz")

    values, spacing_zyx_mm = read_volume(tmp_path / "turned.nii.gz")

    assert np.array_equal(values, hu)
    assert spacing_zyx_mm == pytest.approx(SPACING_ZYX_MM)


def test_written_labels_are_read_back_on_the_image_s_grid(folder: Path, tmp_path: Path) -> None:
    """Pseudo labels must lie where the image shows what they mean."""
    case = read_cases(folder, "val")[0]

    write_labels(tmp_path / "new.nii.gz", case.labels, folder / "imagesTr" / "four_0000.nii.gz")

    labels, spacing_zyx_mm = read_volume(tmp_path / "new.nii.gz")
    assert np.array_equal(labels, case.labels)
    assert spacing_zyx_mm == case.spacing_zyx_mm


def test_a_case_without_labels_is_listed_and_not_learned_from(folder: Path) -> None:
    """Self-training completes it."""
    (folder / "labelsTr" / "one.nii.gz").unlink()

    dataset = read_dataset(folder)

    unlabelled = next(entry for entry in dataset.entries if entry.name == "one")
    assert unlabelled.labels is None
    assert unlabelled.drawn == frozenset()
    assert "one" not in {case.name for case in read_cases(folder, "all")}


def test_without_a_splits_file_everything_is_learned_from(folder: Path) -> None:
    """And nothing is held out without being told."""
    (folder / "splits.json").unlink()

    dataset = read_dataset(folder)

    assert [entry.name for entry in dataset.cases("train")] == sorted(CASES)
    assert dataset.cases("val") == ()


def test_nnu_nets_own_splits_are_read(folder: Path) -> None:
    """Its first fold."""
    (folder / "splits.json").unlink()
    folds = [{"train": ["four"], "val": ["one"]}, {"train": ["one"], "val": ["four"]}]
    (folder / "splits_final.json").write_text(json.dumps(folds))

    dataset = read_dataset(folder)

    assert [entry.name for entry in dataset.cases("train")] == ["four"]
    assert [entry.name for entry in dataset.cases("val")] == ["one"]


def test_padding_counts_as_air(folder: Path) -> None:
    """So it does in a scan that is contoured; percentiles would otherwise be those of padding."""
    image = folder / "imagesTr" / "one_0000.nii.gz"
    loaded = nibabel.load(image)
    values = np.asarray(loaded.dataobj).copy()
    values[:3] = -3024
    nibabel.save(nibabel.Nifti1Image(values, loaded.affine), image)

    (case, *_) = read_cases(folder, "train")

    assert case.hu.min() == AIR_HU


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("dataset.json", "{", "not JSON"),
        ("dataset.json", "{}", "labels must be as in"),
        ("dataset.json", '{"labels": {"background": 0}}', "values from 1 to 255"),
        ("splits.json", '{"train": ["nobody"]}', "no image of nobody"),
        ("cases.json", '[{"case": "one", "structures": ["Tail"]}]', "Tail is not in"),
    ],
)
def test_a_wrong_list_is_refused_with_its_file(
    folder: Path, file: str, text: str, said: str
) -> None:
    """Silently dropped cases would make a worse model."""
    (folder / file).write_text(text)

    with pytest.raises(DatasetError, match=rf"{file}.*{said}"):
        read_dataset(folder)


def test_a_folder_that_is_no_data_set_is_refused(tmp_path: Path) -> None:
    """With the layout that was expected."""
    with pytest.raises(DatasetError, match=r"dataset\.json is missing: .* nnU-Net"):
        read_dataset(tmp_path)


def test_the_publishers_names_of_the_parotids_are_understood(openkbp: Path) -> None:
    """cases.json says RightParotid for the label Parotid_R; 115 of 203 have all five organs."""
    dataset = read_dataset(openkbp)

    five = {"Brainstem", "SpinalCord", "Parotid_R", "Parotid_L", "Mandible"}
    assert len(dataset.entries) == 203
    assert sum(five <= entry.drawn for entry in dataset.entries) == 115
