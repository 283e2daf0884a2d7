"""Dice of a bundle on held-out cases, measured on the RTSTRUCT that the whole pipeline writes.

    python -m models.training.evaluate hn-oar --data ../shared/openkbp --output dice.csv

Each case becomes a DICOM series, the pipeline contours it, and the file that comes out is filled at
pixel centres and compared with what was drawn. A structure that was not found scores 0.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from contouring.dicom_series import read_series
from contouring.errors import NothingFoundError
from contouring.pipeline import contour_series
from contouring.rasters import dice, read_masks
from contouring.recipe import Cascade
from contouring.rtstruct import Stamp
from models.bundles import RELEASED, find_bundles, pick_bundle
from models.cascades import open_cascade
from models.training.case_series import enlarged, write_case
from models.training.cases import STRUCTURES, TrainingCase, read_cases, with_surroundings

JUDGED = ("Brainstem", "SpinalCord", "Parotid_R", "Parotid_L", "Mandible")
STAMP = Stamp(datetime(2026, 1, 1, tzinfo=UTC), "evaluation")


def case_dice(case: TrainingCase, cascade: Cascade, columns: int | None = None) -> dict[str, float]:
    """Dice per drawn structure, on the case's own pixels or enlarged to `columns`."""
    truth = case if columns is None else enlarged(case, columns)
    with TemporaryDirectory() as folder:
        write_case(case, Path(folder), columns)
        series = read_series(Path(folder))
        try:
            masks = read_masks(contour_series(series, cascade, STAMP).outputs[0].rtstruct, series)
        except NothingFoundError:
            masks = {}
    nothing = np.zeros(truth.labels.shape, bool)
    return {
        name: dice(masks.get(name, nothing), truth.labels == label)
        for label, name in enumerate(STRUCTURES, start=1)
        if case.is_drawn[label]
    }


def main() -> None:
    """Command line of the module: a row per case, then means."""
    parser = argparse.ArgumentParser(description="Dice of a bundle on held-out cases.")
    parser.add_argument("model")
    parser.add_argument("--data", type=Path, required=True, help="the OpenKBP folder")
    parser.add_argument("--models", type=Path, default=RELEASED, help="the bundles' folder")
    parser.add_argument("--output", type=Path, required=True, help="CSV to write")
    parser.add_argument(
        "--surroundings-mm", type=float, help="fill the blanked region with tissue that far"
    )
    parser.add_argument("--columns", type=int, default=None, help="enlarge the pixels' number")
    options = parser.parse_args()
    cascade = open_cascade(pick_bundle(find_bundles([options.models]), options.model))
    scores: defaultdict[str, list[float]] = defaultdict(list)
    with options.output.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["case", *STRUCTURES])
        for case in read_cases(options.data, "val"):
            if options.surroundings_mm is not None:
                case = with_surroundings(case, options.surroundings_mm)
            row = case_dice(case, cascade, options.columns)
            for name, score in row.items():
                scores[name].append(score)
            writer.writerow([case.name, *(f"{row[n]:.4f}" if n in row else "" for n in STRUCTURES)])
            sys.stderr.write(f"{case.name} {row}\n")
        means = {name: float(np.mean(scores[name])) for name in STRUCTURES}
        writer.writerow(["mean", *(f"{means[name]:.4f}" for name in STRUCTURES)])
    judged = float(np.mean([means[name] for name in JUDGED]))
    sys.stdout.write(f"mean of the five: {judged:.4f}  {means}\n")


if __name__ == "__main__":
    main()
