"""What all that saves time costs in accuracy: `hn-oar` run plainly and as it is released.

Plainly: ONNX Runtime, windows of one size that overlap by half, and a localizer that is shown the
whole field of view.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from benchmarks.figures import Guard
from models.bundles import CARD, RELEASED, Bundle, read_bundle
from models.evaluation.data_folder import find_scans
from models.evaluation.evaluations import Work, evaluate_bundle
from models.evaluation.results import Evaluation
from models.evaluation.summaries import mean_of_structures
from models.runtime_names import RuntimeName

MODEL = "hn-oar"
PLAIN_OVERLAP = 0.5


def measure_guard(data: Path, jobs: int, tell: Callable[[str], None]) -> Guard:
    """Both on all `val` cases of a folder in nnU-Net's layout."""
    released = read_bundle(RELEASED / MODEL)
    with TemporaryDirectory() as folder:
        plain = _write_plain(released, Path(folder) / MODEL)
        before = _evaluate(plain, data, Work(jobs, 1, RuntimeName.ONNX_CPU), "plainly", tell)
    after = _evaluate(released, data, Work(jobs, 1), "as released", tell)
    return Guard(
        data=f"{after.data.name}, {after.data.split}",
        cases=len(after.cases),
        plain=_means(before),
        released=_means(after),
    )


def _write_plain(bundle: Bundle, folder: Path) -> Bundle:
    shutil.copytree(bundle.folder, folder)
    card = bundle.card.model_dump(mode="json", exclude_unset=True)
    del card["segmenter"]["longest_window"]
    card["segmenter"]["overlap"] = PLAIN_OVERLAP
    del card["localizer"]["crops_to_body"]
    (folder / CARD).write_text(yaml.safe_dump(card), encoding="utf-8")
    return read_bundle(folder)


def _evaluate(
    bundle: Bundle, data: Path, work: Work, how: str, tell: Callable[[str], None]
) -> Evaluation:
    found = find_scans(data, "val")

    def show(done: int) -> None:
        tell(f"accuracy {how}: case {done} of {len(found.scans)}")

    return evaluate_bundle(bundle, found.scans, found.data, work=work, tell=show)


def _means(evaluation: Evaluation) -> dict[str, float]:
    return {
        name: mean_of_structures(evaluation, "dice", [name]).mean for name in evaluation.structures
    }
