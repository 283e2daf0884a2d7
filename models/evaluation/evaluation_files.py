"""Everything an evaluation leaves in its folder."""

from __future__ import annotations

from models.evaluation.box_plot import draw_box_plot
from models.evaluation.results import EVALUATION_FILE, Evaluation, encode_evaluation
from models.evaluation.tables import write_cases_csv, write_scans_csv, write_summary_csv

CASES_CSV, SUMMARY_CSV, SCANS_CSV, BOX_PLOT = "cases.csv", "summary.csv", "scans.csv", "boxes.png"


def encode_files(evaluation: Evaluation) -> dict[str, bytes]:
    """The files' contents by their names; all follow from the first."""
    return {
        EVALUATION_FILE: encode_evaluation(evaluation),
        CASES_CSV: write_cases_csv(evaluation).encode(),
        SUMMARY_CSV: write_summary_csv(evaluation).encode(),
        SCANS_CSV: write_scans_csv(evaluation).encode(),
        BOX_PLOT: draw_box_plot(evaluation),
    }
