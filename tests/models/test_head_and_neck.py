"""The released head-and-neck model on patients that it was not trained on."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zipfile import ZipFile

import pytest

pytest.importorskip("monai", reason="needs the training extra")

from rich.console import Console

from contouring.dicom_series import read_series
from contouring.errors import NothingFoundError
from contouring.pipeline import contour_series
from contouring.rtstruct import Stamp
from models.bundles import RELEASED, read_bundle
from models.cascades import open_cascade
from models.evaluation.data_folder import find_scans
from models.evaluation.evaluations import evaluate_bundle
from models.evaluation.summaries import mean_of_structures
from models.evaluation.tables import build_table

JUDGED = ("Brainstem", "SpinalCord", "Parotid_R", "Parotid_L", "Mandible")
ABDOMEN = Path(__file__).resolve().parents[3] / "shared" / "dicom" / "abdomen-ge-feet-first.zip"
LEAST_MEAN_DICE = 0.75
LARGEST_BYTES = 25_000_000


def test_the_model_is_good_enough_to_be_useful(
    openkbp: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Mean Dice over the five common organs of the `val` split, on the RTSTRUCTs themselves."""
    found = find_scans(openkbp, "val")

    evaluation = evaluate_bundle(read_bundle(RELEASED / "hn-oar"), found.scans, found.data)

    with capsys.disabled():
        Console(width=100).print(build_table(evaluation, JUDGED))
    assert mean_of_structures(evaluation, "dice", JUDGED).mean >= LEAST_MEAN_DICE


def test_it_finds_nothing_in_an_abdomen(tmp_path: Path) -> None:
    """A scan of another part of the body, sent by mistake, must not come back contoured."""
    if not ABDOMEN.is_file():
        pytest.skip(f"the real series is not at {ABDOMEN}")
    with ZipFile(ABDOMEN) as archive:
        archive.extractall(tmp_path)
    cascade = open_cascade(read_bundle(RELEASED / "hn-oar"))
    stamp = Stamp(datetime(2026, 1, 1, tzinfo=UTC), "test")

    with pytest.raises(NothingFoundError, match="hn-oar"):
        contour_series(read_series(tmp_path), cascade, stamp)


def test_the_weights_are_small_enough_to_commit() -> None:
    """They lie in the repository, where every clone pays for them."""
    files = (RELEASED / "hn-oar").iterdir()

    assert sum(file.stat().st_size for file in files) <= LARGEST_BYTES
