"""Every network under the name that recipes call it by."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the training extra")

from models.networks.cost import measure_cost  # noqa: E402 - torch may be missing outside CI
from models.networks.zoo import NETWORKS, UnknownNetworkError, build_network  # noqa: E402
from models.training.recipe_file import read_recipe, shipped_recipes  # noqa: E402

# Of MONAI, with eight classes, at 96 cubed: parameters in millions, multiply-adds in thousand
# millions, as `measure_cost` finds them.
BASELINES = {"unet": (4.81, 7.13), "dynunet": (16.54, 199.5), "swinunetr": (62.19, 318.3)}


@pytest.mark.parametrize("name", [one for one in shipped_recipes() if one != "swinunetr"])
def test_the_network_of_a_recipe_can_be_built(name: str) -> None:
    """With the arguments that the recipe gives; on no device, for some are large."""
    recipe = read_recipe(name)

    with torch.device("meta"):
        network = build_network(recipe.network.name, recipe.classes, recipe.network.arguments)

    assert any(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize("name", sorted(BASELINES))
def test_a_baseline_costs_what_the_table_says(name: str) -> None:
    """The baselines are MONAI's: another release of it may build another network."""
    cost = measure_cost(build_network(name, classes=8), (96, 96, 96))

    millions, thousand_millions = BASELINES[name]
    assert cost.parameters / 1e6 == pytest.approx(millions, abs=0.01)
    assert cost.multiply_adds / 1e9 == pytest.approx(thousand_millions, rel=0.01)


def test_an_unknown_network_is_answered_with_the_known_ones() -> None:
    """A typing error is the likeliest reason."""
    with pytest.raises(UnknownNetworkError, match=r"no network 'vnet'; known: .*residual-unet"):
        build_network("vnet", classes=2)


def test_an_unknown_argument_is_named() -> None:
    """Recipes are written by hand."""
    with pytest.raises(UnknownNetworkError, match=r"'residual-unet' does not take this: .*depth"):
        build_network("residual-unet", classes=2, arguments={"depth": 4})


def test_networks_are_called_as_recipes_call_anything() -> None:
    """Small letters, digits and hyphens."""
    assert all(name == name.lower() and "_" not in name for name in NETWORKS)
