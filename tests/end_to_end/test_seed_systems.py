"""Every published system, from training to a structure set: small networks, a made patient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

torch = pytest.importorskip("torch", reason="needs the training extra")

from models.bundles import read_bundle  # noqa: E402 - torch may be missing outside CI
from models.evaluation.data_folder import find_scans  # noqa: E402
from models.evaluation.evaluations import Work, evaluate_bundle  # noqa: E402
from models.export.bundle_export import export_bundle  # noqa: E402
from models.export.exported_stage import StageName  # noqa: E402
from models.export.system_file import read_system  # noqa: E402
from models.training.recipe_file import read_recipe  # noqa: E402
from models.training.train import Sources, train  # noqa: E402
from tests.models.phantom_cases import write_phantom_dataset  # noqa: E402

# Two classes are learned, beside an organ that nobody asks for. The second is the brightest of the
# made patient, and the one that must be found: the first has the brightness of its blurred border,
# which takes some of these networks longer to tell apart than a test may.
ORGANS = ("Mandible", "Esophagus")
IN_THE_SCAN = ("Mandible", "SpinalCord", "Esophagus")
FOUND = "Esophagus"
# The organ is less than a hundredth of the scan, so that a guess, or a whole region that holds it,
# scores below 0.1. Half of the overlap is had by who has found it.
LEAST_DICE = 0.5
PLAIN = {
    "structures": [
        {"label": label, "name": name, "colour": [200, 60 * label, 30]}
        for label, name in enumerate(ORGANS, start=1)
    ],
    "intensity": {"hu_range": [80.0, 330.0]},  # all but the two organs reads as air
    "optimiser": {"kind": "adamw", "learning_rate": 5.0e-3},
    "schedule": {"kind": "cosine", "warm_up_steps": 5},
    "augmentation": {
        "rotation_deg": [5.0, 0.0, 0.0],
        "scale_range": [0.95, 1.05],
        "flips": [],
        "shift_hu": 0.0,
        "gain": 0.0,
        "noise_hu": 5.0,
        "blur": 0.0,
        "fill": 0.0,
        "couch": 0.0,
        "cut": 0.0,
        "shift_values": 0.0,
        "gain_values": 0.0,
    },
    "sampling": {"jitter_mm": 5.0},
    "validation": {"cases": 0},
    "average_decay": 0.9,
    "batch": 2,
}
# A structure is a hundredth of a window.
WEIGHED = {"loss": {"voxel_weights": dict.fromkeys(ORGANS, 6.0)}}
# Batch statistics of patches that are almost all one value say little of the next ones.
BATCH_NORMALISED = {
    "intensity": {"hu_range": [-200.0, 300.0]},
    "optimiser": {"kind": "adamw", "learning_rate": 3.0e-2},
}
ANYWHERE = {"sampling": {"centre": "voxels", "foreground_share": 0.75, "jitter_mm": 5.0}}
SMALL_WINDOW = {**WEIGHED, **ANYWHERE, "patch": [32, 32, 32], "overlap": 0.25}
FUSION = {
    **SMALL_WINDOW,
    "optimiser": {"kind": "adam", "learning_rate": 8.0e-3},
    "schedule": {"kind": "cosine", "warm_up_steps": 5},
    "batch": 1,
    "channels_last": False,
    "steps": 40,
}


@dataclass(frozen=True)
class System:
    """A shipped system, and what of its recipes is made smaller: {stage: fields}."""

    name: str
    stages: Mapping[StageName, Mapping[str, Any]]
    coarse: bool = field(default=False)


SYSTEMS = (
    System(
        "lyu",
        {
            "localizer": {
                "shape": [64, 64, 64],
                "patch": [64, 64, 64],
                "batch": 1,
                "steps": 40,
            },
            "segmenter": {
                **SMALL_WINDOW,
                "batch": 1,
                "optimiser": {"kind": "adamw", "learning_rate": 8.0e-3},
                "arguments": {"widths": [12, 24, 48, 48], "blocks": [1, 1, 1, 1]},
                "steps": 40,
            },
        },
    ),
    System(
        "oarfocalfusenet",
        {"segmenter": {**FUSION, "arguments": {"base_width": 8, "focal_levels": 1}}},
    ),
    System(
        "3d-msf",
        {"segmenter": {**FUSION, "arguments": {"base_width": 8, "fusion_layers": 2}}},
    ),
    System(
        "roth",
        {
            "localizer": {
                "spacing_mm": [6.0, 8.0, 8.0],
                **WEIGHED,
                **ANYWHERE,
                "patch": [16, 24, 24],
                **BATCH_NORMALISED,
                "arguments": {"widths": [8, 16, 16]},
                "steps": 80,
            },
            "segmenter": {
                **ANYWHERE,
                "patch": [16, 24, 24],
                "overlap": 0.25,
                **BATCH_NORMALISED,
                "optimiser": {"kind": "adamw", "learning_rate": 1.0e-2},
                "arguments": {"widths": [8, 16, 16]},
                "steps": 80,
            },
        },
        coarse=True,
    ),
    System(
        "mcfnet",
        {
            "segmenter": {
                "spacing_mm": ["native", 4.0, 4.0],
                "patch": [1, 64, 64],
                **WEIGHED,
                **BATCH_NORMALISED,
                "optimiser": {"kind": "adamw", "learning_rate": 1.0e-2},
                "batch": 6,
                "arguments": {"width": 4, "layers": 1, "heads": 2},
                "steps": 80,
            }
        },
    ),
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three patients to learn from and one to be judged on."""
    names = [f"patient_{number}" for number in range(4)]
    return write_phantom_dataset(tmp_path_factory.mktemp("data"), names, IN_THE_SCAN)


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    """Small networks only wait for each other's threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.name)
def test_a_published_system_goes_from_training_to_a_structure_set(
    system: System, data: Path, tmp_path: Path
) -> None:
    """Each paper's system, by its shipped recipes and cascade, finds a patient's organ."""
    shipped = read_system(system.name)
    runs: dict[StageName, Path] = {}
    for stage, smaller in system.stages.items():
        part = getattr(shipped, stage)
        recipe = read_recipe(_write_recipe(tmp_path / f"{stage}.yaml", part.recipe, smaller))
        coarse = runs.get("localizer") if system.coarse else None
        runs[stage] = tmp_path / stage
        train(recipe, Sources(data, coarse=coarse), runs[stage])

    export_bundle(shipped, runs, tmp_path / "bundle")

    found = find_scans(data, "val")
    evaluation = evaluate_bundle(
        read_bundle(tmp_path / "bundle"), found.scans, found.data, work=Work(1, 1)
    )
    (case,) = evaluation.cases
    assert set(case.scores) == set(ORGANS)
    assert case.scores[FOUND].dice > LEAST_DICE


def _write_recipe(path: Path, shipped: str, smaller: Mapping[str, Any]) -> Path:
    fields = {"extends": shipped, **PLAIN, **smaller}
    arguments = fields.pop("arguments", {})
    fields["network"] = {"name": read_recipe(shipped).network.name, "arguments": arguments}
    path.write_text(yaml.safe_dump(fields), encoding="utf-8")
    return path
