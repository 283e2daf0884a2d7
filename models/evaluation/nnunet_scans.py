"""Cases from a folder in nnU-Net's raw layout, contoured as DICOM series made of their images.

Without `cases.json`, what a label map holds was drawn, and what it does not hold is not judged: an
organ that is absent cannot be told from one that nobody drew.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from contouring.dicom_series import read_series
from contouring.errors import UnusableInputError
from models.evaluation.drawn_scans import DrawnScan
from models.evaluation.results import LeftOut
from models.training.case_series import Case, enlarged, write_case
from models.training.cases import read_case, with_surroundings
from models.training.dataset import ALL, CaseEntry, Dataset, DatasetError, read_dataset

DATASET = "dataset.json"


@dataclass(frozen=True)
class Showing:
    """How a case is shown to the model.

    `columns`: on that many columns of finer pixels; `surroundings_mm`: air around the patient, as
    far as this, filled with the nearest tissue, where a data set's surroundings were blanked.
    """

    columns: int | None = None
    surroundings_mm: float | None = None


@dataclass(frozen=True)
class NnUNetScan:
    """One labelled case of a data set."""

    dataset: Dataset
    entry: CaseEntry
    showing: Showing = Showing()

    @property
    def name(self) -> str:
        """As the files are called."""
        return self.entry.name

    def open(self, folder: Path) -> DrawnScan:
        """Writes the image into `folder` as a DICOM CT series, which is what is contoured."""
        try:
            case = read_case(self.dataset, self.entry)
        except ValueError as error:
            raise UnusableInputError(f"{error}.") from error
        if self.showing.surroundings_mm is not None:
            case = with_surroundings(case, self.showing.surroundings_mm)
        columns = self.showing.columns
        shown: Case = case if columns is None else enlarged(case, columns)
        write_case(shown, folder)
        masks = {name: shown.labels == label for label, name in enumerate(case.structures, start=1)}
        return DrawnScan(read_series(folder), {n: mask for n, mask in masks.items() if mask.any()})


def is_nnunet_folder(folder: Path) -> bool:
    """Whether there is a `dataset.json`."""
    return (folder / DATASET).is_file()


def find_nnunet_scans(
    folder: Path, split: str = ALL, showing: Showing | None = None
) -> tuple[tuple[NnUNetScan, ...], tuple[LeftOut, ...]]:
    """The cases of `split` (train, val or all) in its order, and those without labels.

    Raises `UnusableInputError` for what is no such folder.
    """
    try:
        dataset = read_dataset(folder)
    except DatasetError as error:
        raise UnusableInputError(f"{error}.") from error
    entries = dataset.cases(split)
    scans = (NnUNetScan(dataset, e, showing or Showing()) for e in entries if e.labels is not None)
    unlabelled = (LeftOut(e.name, "it has no labels.") for e in entries if e.labels is None)
    return tuple(scans), tuple(unlabelled)


def read_dataset_name(folder: Path) -> str:
    """As `dataset.json` has it; the folder's own name without one."""
    content = json.loads((folder / DATASET).read_text(encoding="utf-8"))
    return str(content.get("name") or folder.resolve().name)
