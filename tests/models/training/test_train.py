"""Runs: learned, broken off, gone on with, and what they leave behind."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

nibabel = pytest.importorskip("nibabel", reason="needs the training extra")
torch = pytest.importorskip("torch", reason="needs the training extra")

from models.training.curves import CurveRow  # noqa: E402 - torch may be missing outside CI
from models.training.dataset import DatasetError  # noqa: E402
from models.training.prepared_cases import Preparation, PreparedCase  # noqa: E402
from models.training.recipe_file import (  # noqa: E402
    Recipe,
    RecipeError,
    overridden,
    write_recipe,
)
from models.training.runs import load_network, start_run  # noqa: E402
from models.training.train import DivergedError, Sources, train  # noqa: E402
from tests.models.phantom_cases import write_phantom_dataset  # noqa: E402
from tests.models.phantom_recipes import STRUCTURES, phantom_recipe  # noqa: E402

CPU = torch.device("cpu")
SMALL: dict[str, Any] = {
    "network": {"name": "residual-unet", "arguments": {"widths": [4, 6]}},
    "patch": [8, 16, 16],
    "steps": 4,
    "validation": {"every_steps": 2, "cases": 1},
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Four cases, of one of which one structure was drawn."""
    return write_phantom_dataset(
        tmp_path / "data",
        ("one", "two", "three", "four"),
        STRUCTURES,
        (16, 24, 24),
        drawn={"two": ["Parotid_R"]},
    )


def weights(run: Path) -> dict[str, Any]:
    """The network's, of the run's last checkpoint."""
    state: dict[str, Any] = torch.load(run / "checkpoint.pt", weights_only=True)["network"]
    return state


def train_and_break_off(recipe: Recipe, data: Path, run: Path, after: int) -> None:
    """As a power cut would: the step after `after` is never written."""

    def report(told: Preparation | CurveRow) -> None:
        if isinstance(told, CurveRow) and told.step > after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe, Sources(data), run, report=report)


def test_a_resumed_run_ends_where_an_unbroken_one_does(data: Path, tmp_path: Path) -> None:
    """Long runs are broken off; what they have learned must not depend on it."""
    recipe = phantom_recipe(**SMALL)

    train(recipe, Sources(data), tmp_path / "unbroken")
    train_and_break_off(recipe, data, tmp_path / "resumed", after=2)
    train(recipe, Sources(data), tmp_path / "resumed")

    first, second = weights(tmp_path / "unbroken"), weights(tmp_path / "resumed")
    assert all(torch.allclose(first[key], second[key], atol=1e-6) for key in first)
    rows = list(csv.DictReader((tmp_path / "resumed" / "curve.csv").open()))
    assert [row["step"] for row in rows] == ["2", "4"]


def test_a_run_says_what_it_was_learned_from_and_on(data: Path, tmp_path: Path) -> None:
    """The table of networks is built from these files."""
    facts = train(phantom_recipe(**SMALL), Sources(data), tmp_path / "run")

    written = json.loads((tmp_path / "run" / "run.json").read_text())
    rows = list(csv.DictReader((tmp_path / "run" / "curve.csv").open()))
    assert (facts.steps, facts.patches, facts.cases) == (4, 8, 3)
    assert written["case_names"] == ["one", "two", "three"]
    assert written["versions"]["torch"] == torch.__version__
    assert written["seconds"] > 0
    assert list(rows[0]) == ["step", "loss", "learning_rate", "validation_dice", "seconds"]
    assert all(float(row["loss"]) > 0 and 0 <= float(row["validation_dice"]) <= 1 for row in rows)


def test_cases_are_counted_while_they_are_prepared(data: Path, tmp_path: Path) -> None:
    """With a coarse network that takes minutes, and looks like a program that hangs."""
    told: list[Preparation | CurveRow] = []

    train(phantom_recipe(**SMALL), Sources(data, workers=2), tmp_path / "run", report=told.append)

    learned, judged = (
        [Preparation(done, 3) for done in range(4)],
        [Preparation(done, 1) for done in range(2)],
    )
    assert told[:6] == learned + judged
    assert all(isinstance(row, CurveRow) for row in told[6:])


def test_a_phantom_is_learned(data: Path, tmp_path: Path) -> None:
    """The loss falls, and the average of the weights answers better than chance."""
    recipe = phantom_recipe(
        network={"name": "residual-unet", "arguments": {"widths": [8, 12]}},
        patch=[16, 24, 24],
        steps=40,
    )

    train(recipe, Sources(data), tmp_path / "run")

    rows = list(csv.DictReader((tmp_path / "run" / "curve.csv").open()))
    assert float(rows[-1]["loss"]) < 0.8 * float(rows[0]["loss"])
    assert float(rows[-1]["validation_dice"]) > 0.15


@pytest.mark.parametrize("cache", [False, True], ids=["memory", "disk"])
def test_a_run_may_do_without_validation(data: Path, tmp_path: Path, cache: bool) -> None:
    """With `cases: 0` the curve has a loss, and a Dice that is no number instead of a made one."""
    recipe = phantom_recipe(**SMALL | {"validation": {"every_steps": 2, "cases": 0}})

    train(recipe, Sources(data, cache=tmp_path / "cache" if cache else None), tmp_path / "run")

    rows = list(csv.DictReader((tmp_path / "run" / "curve.csv").open()))
    assert [row["validation_dice"] for row in rows] == ["nan", "nan"]
    assert all(float(row["loss"]) > 0 for row in rows)


def test_a_run_is_loaded_with_its_averaged_weights(data: Path, tmp_path: Path) -> None:
    """They are what is exported; the last step's own weights are noisier."""
    recipe = phantom_recipe(**SMALL)
    train(recipe, Sources(data), tmp_path / "run")

    loaded_recipe, network = load_network(tmp_path / "run")

    last = weights(tmp_path / "run")
    assert loaded_recipe == recipe
    assert not network.training
    assert any(not torch.equal(v, last[k]) for k, v in network.state_dict().items())


def test_a_folder_with_another_recipe_s_run_is_left_alone(data: Path, tmp_path: Path) -> None:
    """Its weights would be lost, or would not fit."""
    train(phantom_recipe(**SMALL), Sources(data), tmp_path / "run")

    with pytest.raises(RecipeError, match="differs in seed: resume with the same recipe"):
        start_run(phantom_recipe(**SMALL, seed=1), tmp_path / "run", CPU)


def test_a_run_may_be_taken_further(data: Path, tmp_path: Path) -> None:
    """More steps are no other recipe."""
    recipe = phantom_recipe(**SMALL)
    train(recipe, Sources(data), tmp_path / "run")

    facts = train(overridden(recipe, steps=6), Sources(data), tmp_path / "run")

    assert facts.steps == 6
    assert load_network(tmp_path / "run")[0].steps == 6


def test_a_new_run_may_start_from_another_one_s_weights(data: Path, tmp_path: Path) -> None:
    """Tuning starts where training ended."""
    recipe = phantom_recipe(**SMALL)
    train(recipe, Sources(data), tmp_path / "first")

    tuned = start_run(recipe, tmp_path / "tuned", CPU, initial=[tmp_path / "first"])

    expected = load_network(tmp_path / "first")[1].state_dict()
    assert all(torch.equal(v, expected[k]) for k, v in tuned.network.state_dict().items())
    assert tuned.steps_done == 0


def test_a_new_run_may_start_from_the_mean_of_several(data: Path, tmp_path: Path) -> None:
    """Two runs from one beginning often do better together than the better of them."""
    for seed, name in enumerate(("first", "second")):
        train(phantom_recipe(**SMALL, seed=seed), Sources(data), tmp_path / name)
    runs = [tmp_path / "first", tmp_path / "second"]

    blend = start_run(phantom_recipe(**SMALL), tmp_path / "blend", CPU, initial=runs)

    first, second = (load_network(run)[1].state_dict() for run in runs)
    for name, weight in blend.network.state_dict().items():
        if weight.is_floating_point():
            assert torch.allclose(weight, (first[name] + second[name]) / 2)
    assert not torch.equal(*(next(iter(state.values())) for state in (first, second)))


def test_a_data_set_without_the_recipe_s_structures_is_refused(data: Path, tmp_path: Path) -> None:
    """Before hours of learning that everything is background."""
    recipe = phantom_recipe(("Liver", "Spleen"), **SMALL)

    with pytest.raises(RecipeError, match="no case of train has any of Liver, Spleen"):
        train(recipe, Sources(data), tmp_path / "run")


def test_cases_may_be_kept_on_disk(data: Path, tmp_path: Path) -> None:
    """For data sets larger than the memory; nothing else changes."""
    recipe = phantom_recipe(**SMALL)

    train(recipe, Sources(data), tmp_path / "memory")
    train(recipe, Sources(data, cache=tmp_path / "cache"), tmp_path / "disk")

    first, second = weights(tmp_path / "memory"), weights(tmp_path / "disk")
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert len(list((tmp_path / "cache").rglob("*.pt"))) == 4


def test_emphasised_cases_are_drawn_more_often(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those in which a rare structure was drawn."""
    from models.training.patches import PatchSampler

    drawn: list[str] = []
    draw = PatchSampler.draw

    def counted(self: PatchSampler, case: PreparedCase, rng: Any) -> Any:
        drawn.append(case.name)
        return draw(self, case, rng)

    monkeypatch.setattr(PatchSampler, "draw", counted)
    sampling = {"emphasis": {"Brainstem": 1e-9}}  # in all but the second case

    train(phantom_recipe(**SMALL | {"batch": 1}, sampling=sampling), Sources(data), tmp_path / "r")

    assert set(drawn) == {"two"}


@pytest.mark.parametrize("precision", ["bfloat16"])
def test_a_lower_precision_learns_too(data: Path, tmp_path: Path, precision: str) -> None:
    """Weights and losses stay in float32."""
    recipe = phantom_recipe(**SMALL, precision=precision)

    train(recipe, Sources(data), tmp_path / "run")

    assert {value.dtype for value in weights(tmp_path / "run").values()} <= {
        torch.float32,
        torch.int64,
    }
    rows = list(csv.DictReader((tmp_path / "run" / "curve.csv").open()))
    assert all(float(row["loss"]) > 0 for row in rows)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_a_run_on_a_gpu_learns(data: Path, tmp_path: Path, precision: str) -> None:
    """Patches are drawn there, and a run that was broken off goes on there."""
    if not torch.cuda.is_available():
        pytest.skip("there is no NVIDIA GPU")
    recipe = phantom_recipe(**SMALL | {"steps": 40, "batch": 4}, precision=precision)

    train_and_break_off(recipe, data, tmp_path / "run", after=20)
    facts = train(recipe, Sources(data), tmp_path / "run", device="cuda")

    rows = list(csv.DictReader((tmp_path / "run" / "curve.csv").open()))
    assert facts.steps == 40
    assert float(rows[-1]["loss"]) < 0.8 * float(rows[0]["loss"])


@pytest.mark.parametrize(
    ("network", "said"),
    [
        ({"name": "no-net"}, "there is no network 'no-net'; known: pconv-localizer, "),
        ({"name": "residual-unet", "arguments": {"depth": 3}}, "does not take this: .*'depth'"),
    ],
)
def test_a_network_that_cannot_be_built_is_named(
    tmp_path: Path, network: dict[str, Any], said: str
) -> None:
    """With the recipe, and what is known instead."""
    recipe = phantom_recipe(network=network)

    with pytest.raises(RecipeError, match=f"recipe phantom-segmenter: .*{said}"):
        start_run(recipe, tmp_path, CPU)


def test_a_run_that_diverges_stops_and_keeps_its_last_good_checkpoint(
    data: Path, tmp_path: Path
) -> None:
    """Hours of learning nothing, and weights that are lost, help nobody."""
    recipe = phantom_recipe(**SMALL)
    train(recipe, Sources(data), tmp_path / "run")
    endless = overridden(recipe, optimiser={"learning_rate": 1e30, "gradient_limit": 1e30})
    write_recipe(endless, tmp_path / "run" / "recipe.yaml")

    with pytest.raises(DivergedError, match="not a number after step 6"):
        train(overridden(endless, steps=8), Sources(data), tmp_path / "run")

    assert all(bool(value.isfinite().all()) for value in weights(tmp_path / "run").values())


def test_a_scan_that_cannot_be_used_is_named(data: Path, tmp_path: Path) -> None:
    """One of thousands: a scan of nothing but air has no percentiles to go by."""
    image = data / "imagesTr" / "two_0000.nii.gz"
    air = np.full((24, 24, 16), -1024, np.int16)
    nibabel.Nifti1Image(air, nibabel.Nifti1Image.from_filename(image).affine).to_filename(image)
    recipe = phantom_recipe(**SMALL, intensity={"percentiles": [5.0, 95.0]})

    with pytest.raises(DatasetError, match=r"two_0000\.nii\.gz: From the 5th .* too little"):
        train(recipe, Sources(data), tmp_path / "run")


def test_labels_of_another_grid_are_refused(data: Path, tmp_path: Path) -> None:
    """They would be learned in the wrong place."""
    labels = data / "labelsTr" / "one.nii.gz"
    nibabel.Nifti1Image(np.zeros((8, 8, 8), np.uint8), np.eye(4)).to_filename(labels)

    with pytest.raises(DatasetError, match=r"one\.nii\.gz: its grid is not the image's"):
        train(phantom_recipe(**SMALL), Sources(data), tmp_path / "run")
