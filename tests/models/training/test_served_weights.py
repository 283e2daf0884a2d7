"""Going on from a bundle: its network learns on where it stands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the training extra")
onnxruntime = pytest.importorskip("onnxruntime")

from torch import Tensor, nn  # noqa: E402 - torch may be missing outside CI

from models.bundles import RELEASED, read_bundle  # noqa: E402
from models.export.bundle_export import export_bundle  # noqa: E402
from models.export.system_file import SystemFile  # noqa: E402
from models.training.recipe_file import Recipe, RecipeError, read_recipe  # noqa: E402
from models.training.runs import load_network, recipe_network  # noqa: E402
from models.training.served_weights import FILTER_LENGTH, take_served_weights  # noqa: E402
from models.training.train import Sources, train  # noqa: E402
from tests.models.export.made_runs import BOX, SYSTEM, write_run  # noqa: E402
from tests.models.phantom_cases import write_phantom_dataset  # noqa: E402
from tests.models.phantom_recipes import STRUCTURES  # noqa: E402

HN_OAR = RELEASED / "hn-oar"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three cases to learn from."""
    folder = tmp_path_factory.mktemp("data")
    return write_phantom_dataset(folder, ["a", "b", "c"], STRUCTURES, (12, 20, 20))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """The run of a segmenter whose normalisations have learned something."""
    folder = tmp_path_factory.mktemp("run") / "segmenter"
    recipe, _ = load_network(write_run(folder.parent / "made"))
    train(recipe.model_copy(update={"steps": 8}), Sources(data), folder)
    return folder


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory, trained: Path) -> Path:
    """Both stages, exported."""
    folder = tmp_path_factory.mktemp("bundles")
    localizer = write_run(folder / "localizer", "localizer")
    system = SystemFile.model_validate(SYSTEM | {"localizer": BOX})
    export_bundle(system, {"segmenter": trained, "localizer": localizer}, folder / "made")
    return folder / "made"


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Images (B, 1, z, y, x) like a network's input."""
    values: Tensor = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    return values.clamp(-1, 1)


def answer(network: nn.Module, image: Tensor) -> Tensor:
    """The logits (B, classes, z, y, x) of a network in use."""
    with torch.no_grad():
        logits: Tensor = network.eval()(image)
    return logits


def taken(bundle: Path, recipe: Recipe, images: list[Tensor]) -> nn.Module:
    """The recipe's network with the bundle's function."""
    network = recipe_network(recipe)
    take_served_weights(network, bundle, recipe, images)
    return network


def test_the_network_answers_as_the_run_that_the_bundle_was_made_of(
    bundle: Path, trained: Path
) -> None:
    """What was folded for serving is unfolded, and nothing is lost but the rounding of weights."""
    recipe, original = load_network(trained)

    network = taken(bundle, recipe, [noise(2, 1, 8, 16, 16)])

    unseen = noise(2, 1, 16, 16, 32, seed=1)
    assert torch.allclose(answer(network, unseen), answer(original, unseen), atol=5e-3)
    untrained = answer(recipe_network(recipe), unseen)
    assert not torch.allclose(untrained, answer(original, unseen), atol=0.1)


def test_the_network_learns_from_where_it_stands(bundle: Path, trained: Path) -> None:
    """In training a normalisation uses the batch's statistics: they must be those it was given."""
    recipe, _ = load_network(trained)
    images = [noise(4, 1, 16, 32, 32, seed=seed) for seed in range(2)]

    network = taken(bundle, recipe, images)

    in_use = answer(network, images[0])
    with torch.no_grad():
        in_training = network.train()(images[0])
    assert torch.allclose(in_training, in_use, atol=0.1 * float(in_use.std()))
    filters = network.get_parameter("downs.0.0.first.weight").flatten(1).norm(dim=1)
    assert torch.allclose(filters, torch.full_like(filters, FILTER_LENGTH))


def test_the_release_is_read_back_as_it_is_served() -> None:
    """Whoever tunes hn-oar on their own patients begins with hn-oar."""
    recipe = read_recipe("hn-oar-segmenter-aligned")
    card = read_bundle(HN_OAR).card.segmenter

    network = taken(HN_OAR, recipe, [noise(1, 1, 32, 32, 32)])

    image = noise(1, 1, 48, 32, 32, seed=1)
    session = onnxruntime.InferenceSession(HN_OAR / card.artifact)
    (served,) = session.run(None, {session.get_inputs()[0].name: image.numpy()})
    np.testing.assert_allclose(answer(network, image).numpy(), served, atol=1e-3)


def test_a_localizer_of_other_normalisations_is_read_back_too() -> None:
    """Statistics of the instance are not folded: their parameters stand in the graph."""
    recipe = read_recipe("hn-oar-localizer")
    card = read_bundle(HN_OAR).card.localizer
    assert card is not None

    network = taken(HN_OAR, recipe, [noise(1, 1, 64, 64, 64)])

    image = noise(1, 1, 128, 128, 128, seed=1)
    session = onnxruntime.InferenceSession(HN_OAR / card.artifact)
    (served,) = session.run(None, {session.get_inputs()[0].name: image.numpy()})
    np.testing.assert_allclose(answer(network, image).numpy(), served, atol=1e-2)


def test_a_run_starts_from_a_bundle(
    bundle: Path, trained: Path, data: Path, tmp_path: Path
) -> None:
    """One option, and a run that was broken off finds what it started from."""
    recipe, original = load_network(trained)
    still = {"learning_rate": 1e-12, "weight_decay": 0.0}
    recipe = recipe.model_copy(
        update={"steps": 1, "optimiser": recipe.optimiser.model_copy(update=still)}
    )

    train(recipe, Sources(data, initial=(bundle,)), tmp_path / "run")

    _, network = load_network(tmp_path / "run")
    image = noise(1, 1, 8, 16, 16)
    assert torch.allclose(answer(network, image), answer(original, image), atol=0.2)
    assert (tmp_path / "run" / "made-segmenter.pt").is_file()


def test_another_network_s_bundle_is_refused_by_what_is_missing(bundle: Path) -> None:
    """Half of one network's weights in another would be neither."""
    recipe = read_recipe("hn-oar-segmenter")

    with pytest.raises(RecipeError, match=r"is not the recipe's network.*stem\.0\.weight"):
        taken(bundle, recipe, [noise(1, 1, 16, 16, 16)])


def test_a_stage_that_the_bundle_has_not_is_refused(tmp_path: Path, trained: Path) -> None:
    """A system without localizer has none to start from."""
    export_bundle(SystemFile.model_validate(SYSTEM), {"segmenter": trained}, tmp_path / "alone")
    localizer, _ = load_network(write_run(tmp_path / "localizer", "localizer"))

    with pytest.raises(RecipeError, match="has no localizer to start from"):
        taken(tmp_path / "alone", localizer, [noise(1, 1, 8, 16, 16)])
