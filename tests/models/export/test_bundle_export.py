"""From runs to a bundle that is served, or to a reason why not."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the training extra")

from models.bundles import read_bundle  # noqa: E402 - torch may be missing outside CI
from models.cascades import open_cascade  # noqa: E402
from models.export import bundle_export  # noqa: E402
from models.export.bundle_export import ExportPlan, export_bundle  # noqa: E402
from models.export.exported_stage import (  # noqa: E402
    ExportedStage,
    RealInputs,
    export_stage,
)
from models.export.onnx_export import ExportError  # noqa: E402
from models.export.precisions import Precision  # noqa: E402
from models.export.system_file import SystemFile  # noqa: E402
from models.training.runs import load_network  # noqa: E402
from tests.models.export.made_runs import BOX, MASK, SYSTEM, write_run  # noqa: E402
from tests.models.phantom_cases import write_phantom_dataset  # noqa: E402
from tests.models.phantom_recipes import STRUCTURES  # noqa: E402


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[Any, Path]:
    """Of both stages."""
    folder = tmp_path_factory.mktemp("runs")
    return {stage: write_run(folder / stage, stage) for stage in ("localizer", "segmenter")}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two cases to take windows from."""
    folder = tmp_path_factory.mktemp("data")
    return write_phantom_dataset(folder, ["a", "b"], STRUCTURES, (12, 20, 20))


@pytest.fixture(autouse=True)
def _exported_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same graph of the same run again: exporting takes seconds."""
    monkeypatch.setattr(bundle_export, "export_stage", _export_once)


@lru_cache
def _export_once(*asked: Any) -> ExportedStage:
    return export_stage(*asked)


def _system(**fields: Any) -> SystemFile:
    return SystemFile.model_validate(SYSTEM | fields)


def _judge(before: float, after: float) -> Any:
    """A judge that hears of the reference first."""
    answers = iter((before, after))
    return lambda _: {"Brainstem": next(answers)}


def test_a_system_becomes_a_bundle_that_answers_as_its_networks(
    runs: Mapping[Any, Path], tmp_path: Path
) -> None:
    """What is served is what was trained, with its curves beside it."""
    made = export_bundle(_system(localizer=BOX), runs, tmp_path / "bundle")

    bundle = read_bundle(made.folder)
    cascade = open_cascade(bundle)
    window = np.random.default_rng(1).uniform(-1, 1, (2, 8, 16, 16)).astype(np.float32)
    _, network = load_network(runs["segmenter"])
    with torch.no_grad():
        expected = network(torch.from_numpy(window[:, None])).numpy()
    answered = cascade.segmenter.predictor.predict(window)
    assert np.abs(answered - expected).max() < 0.05
    assert [structure.name for structure in cascade.structures] == list(STRUCTURES)
    assert bundle.card.localizer is not None
    assert bundle.card.localizer.margin_mm == (20.0, 10.0, 10.0)
    assert (bundle.card.segmenter.multiple_of, bundle.card.segmenter.overlap) == (2, 0.25)
    assert (tmp_path / "bundle" / "segmenter-curve.csv").is_file()


def test_the_card_tells_how_well_the_graph_agrees(
    runs: Mapping[Any, Path], data: Path, tmp_path: Path
) -> None:
    """On noise and on real windows: 6 and 6, in batches of 1, 2 and 3."""
    plan = ExportPlan(inputs=RealInputs(data))
    one = {"segmenter": runs["segmenter"]}

    made = export_bundle(_system(), one, tmp_path / "bundle", plan)

    export = read_bundle(made.folder).card.segmenter.export
    assert export is not None
    assert export.precision == "float16-stored"
    assert 0 < export.largest_difference < export.tolerance == 0.05
    assert [parity.found[0].images for parity in made.parities] == [12]


def test_the_card_tells_what_the_runs_have_seen(runs: Mapping[Any, Path], tmp_path: Path) -> None:
    """The text of a system was written before anything was trained."""
    made = export_bundle(_system(localizer=BOX), runs, tmp_path / "bundle")

    told = read_bundle(made.folder).card.training_data
    assert "The localizer: recipe made-localizer, 12 patches of 3 cases." in told
    assert "The segmenter: recipe made-segmenter, 12 patches of 3 cases." in told


def test_a_run_of_another_recipe_is_refused(runs: Mapping[Any, Path], tmp_path: Path) -> None:
    """The card would speak of a network that is not in the bundle."""
    other = _system(segmenter={"recipe": "another"})

    with pytest.raises(ExportError, match="trained by the recipe made-segmenter"):
        export_bundle(other, {"segmenter": runs["segmenter"]}, tmp_path / "bundle")


def test_the_anchors_of_a_system_go_into_the_card(runs: Mapping[Any, Path], tmp_path: Path) -> None:
    """Without them an abdomen with a cord would be contoured as a head."""
    anchored = _system(anchors=[STRUCTURES[0]])

    made = export_bundle(anchored, {"segmenter": runs["segmenter"]}, tmp_path / "bundle")

    assert read_bundle(made.folder).card.anchors == (STRUCTURES[0],)


def test_what_a_system_says_of_its_windows_goes_into_the_card(
    runs: Mapping[Any, Path], tmp_path: Path
) -> None:
    """A segmenter alone, in windows that may grow, shown no more air than there must be."""
    recipe, _ = load_network(runs["segmenter"])
    longest = tuple(side + recipe.multiple_of for side in recipe.patch)
    part = SYSTEM["segmenter"] | {"longest_window": longest, "crops_to_body": True}
    alone = _system(segmenter=part)

    made = export_bundle(alone, {"segmenter": runs["segmenter"]}, tmp_path / "bundle")

    segmenter = read_bundle(made.folder).card.segmenter
    assert (segmenter.longest_window, segmenter.crops_to_body) == (longest, True)


def test_a_mask_narrows_by_its_dilation(runs: Mapping[Any, Path], tmp_path: Path) -> None:
    """The cascade of Roth et al.; a box would need margins."""
    made = export_bundle(_system(localizer=MASK), runs, tmp_path / "bundle")

    localizer = read_bundle(made.folder).card.localizer
    assert localizer is not None
    assert (localizer.narrowing, localizer.dilation_mm, localizer.channels) == ("mask", 8.0, 2)


def test_a_fixed_graph_is_always_given_its_whole_window(tmp_path: Path) -> None:
    """A smaller scan is filled up to the window, not the window shrunk to the scan."""
    run = write_run(tmp_path / "run", patch=[16, 16, 16])
    fixed = _system(segmenter={"recipe": "made-segmenter", "axes": "fixed"})

    made = export_bundle(fixed, {"segmenter": run}, tmp_path / "bundle")

    segmenter = read_bundle(made.folder).card.segmenter
    assert (segmenter.window, segmenter.multiple_of) == ((16, 16, 16), 16)


def test_a_fixed_window_with_unequal_sides_is_refused(
    runs: Mapping[Any, Path], tmp_path: Path
) -> None:
    """A card has one number to which all axes are filled up."""
    fixed = _system(segmenter={"recipe": "made-segmenter", "axes": "fixed"})

    with pytest.raises(ExportError, match="must be equal, not"):
        export_bundle(fixed, {"segmenter": runs["segmenter"]}, tmp_path / "bundle")


def test_a_graph_that_strays_is_not_written(runs: Mapping[Any, Path], tmp_path: Path) -> None:
    """No folder is better than one that must not be used."""
    plan = ExportPlan(tolerance=1e-9)

    with pytest.raises(ExportError, match="strays from PyTorch"):
        export_bundle(_system(), {"segmenter": runs["segmenter"]}, tmp_path / "bundle", plan)

    assert not (tmp_path / "bundle").exists()


def test_a_variant_is_written_where_its_dice_holds(
    runs: Mapping[Any, Path], data: Path, tmp_path: Path
) -> None:
    """It is held against the bundle of the usual precision."""
    plan = ExportPlan(Precision.INT8, None, RealInputs(data), _judge(0.8, 0.799))

    made = export_bundle(_system(), {"segmenter": runs["segmenter"]}, tmp_path / "bundle", plan)

    export = read_bundle(made.folder).card.segmenter.export
    assert export is not None
    assert export.precision == "int8"
    assert made.verdict is not None
    assert made.verdict.fall == pytest.approx(0.001)


def test_a_variant_that_costs_dice_is_not_written(runs: Mapping[Any, Path], tmp_path: Path) -> None:
    """Speed does not pay for worse contours."""
    plan = ExportPlan(Precision.FLOAT16, judge=_judge(0.8, 0.797))

    with pytest.raises(ExportError, match="costs too much"):
        export_bundle(_system(), {"segmenter": runs["segmenter"]}, tmp_path / "bundle", plan)

    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize(
    ("system", "stages", "plan", "reason"),
    [
        (_system, ["localizer", "segmenter"], ExportPlan(), "is made of segmenter; runs"),
        (_system, [], ExportPlan(), "runs were given of none"),
        (_system, ["segmenter"], ExportPlan(Precision.FLOAT16), "cases to judge on"),
        (
            _system,
            ["segmenter"],
            ExportPlan(Precision.INT8, judge=_judge(1, 1)),
            "takes its scales from real scans",
        ),
    ],
)
def test_what_cannot_be_exported_is_refused_before_anything_is_done(
    system: Any, stages: list[str], plan: ExportPlan, reason: str, tmp_path: Path
) -> None:
    """An export takes minutes."""
    runs: dict[Any, Path] = {stage: tmp_path / stage for stage in stages}

    with pytest.raises(ExportError, match=reason):
        export_bundle(system(), runs, tmp_path / "bundle", plan)


def test_a_run_of_the_other_stage_is_refused(runs: Mapping[Any, Path], tmp_path: Path) -> None:
    """Two folders on one command line are easily swapped."""
    with pytest.raises(ExportError, match=r"holds a localizer \(made-localizer\), not a segmenter"):
        export_bundle(_system(), {"segmenter": runs["localizer"]}, tmp_path / "bundle")
