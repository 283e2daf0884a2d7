"""The weights of a bundle, to go on from: read back from the graph that is served.

An exported graph holds no batch normalisation: it was folded into the convolution before it. Here
it is unfolded again. Any normalisation whose mean, variance, weight and bias belong together gives
the same function; these are taken so that a network learns from them as from weights that it
learned itself: the statistics are those of the images that it will see, and every filter is as
long as filters grow in training. Left as they were folded, filters are short where a feature varies
much, and a normalised network forgets by the first steps what a short filter stands for (van
Laarhoven, arXiv 1706.05350: the step counts by the filter's length).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from contouring.errors import InvalidBundleError
from models.bundles import CARD, read_bundle
from models.training.recipe_file import Recipe, RecipeError

FILTER_LENGTH = 2.0  # of hn-oar's filters after some thousand steps
FOLDED, HALVED = "_bias", ".half"  # endings that an export gives to its tensors' names
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def is_bundle(path: Path) -> bool:
    """Whether a folder is a bundle, and not a run's."""
    return (path / CARD).is_file()


def take_served_weights(
    network: nn.Module, bundle: Path, recipe: Recipe, images: Sequence[Tensor]
) -> None:
    """Gives `network` the function of the bundle's own network of the recipe's stage.

    `images`: batches (B, 1, z, y, x) that normalisations are measured on. Raises `RecipeError` if
    the bundle is none, or its network another than the recipe's.
    """
    try:
        card = read_bundle(bundle).card
    except InvalidBundleError as error:
        raise RecipeError(str(error)) from error
    stage = card.localizer if recipe.stage == "localizer" else card.segmenter
    if stage is None:
        raise RecipeError(f"{bundle} has no {recipe.stage} to start from")
    tensors = _read_tensors(bundle / stage.artifact)
    norms = dict(_normalised(network.eval(), images[0]))
    with torch.no_grad():
        _copy(network, norms, tensors, f"{bundle}: its {recipe.stage}")
        statistics = _measure(network, [norm for norm, _ in norms.values()], images)
        for norm, convolution in norms.values():
            _unfold(norm, convolution, *statistics[norm])


def _read_tensors(graph: Path) -> dict[str, Tensor]:
    """The graph's tensors in float32, by the names of the parameters that they came from."""
    return {
        tensor.name.removesuffix(HALVED): torch.tensor(
            numpy_helper.to_array(tensor).astype(np.float32)
        )
        for tensor in onnx.load(graph).graph.initializer
    }


def _normalised(
    network: nn.Module, image: Tensor
) -> Iterator[tuple[str, tuple[_BatchNorm, nn.Module]]]:
    """Each convolution that a batch normalisation follows, by its name, with that normalisation."""
    made: list[tuple[Tensor, str, nn.Module]] = []  # holds the tensors, so that none is reused
    found: list[tuple[str, tuple[_BatchNorm, nn.Module]]] = []

    def after_convolution(name: str, module: nn.Module) -> Callable[..., None]:
        return lambda _module, _inputs, output: made.append((output, name, module))

    def before_norm(norm: _BatchNorm) -> Callable[..., None]:
        def look(_module: nn.Module, inputs: tuple[Tensor]) -> None:
            makers = [(name, module) for output, name, module in made if output is inputs[0]]
            found.extend((name, (norm, module)) for name, module in makers)

        return look

    with ExitStack() as hooks, torch.no_grad():
        for name, module in network.named_modules():
            if isinstance(module, nn.Conv2d | nn.Conv3d):
                hooks.callback(module.register_forward_hook(after_convolution(name, module)).remove)
            elif isinstance(module, _BatchNorm):
                hooks.callback(module.register_forward_pre_hook(before_norm(module)).remove)
        network(image)
    yield from found


def _copy(
    network: nn.Module,
    norms: dict[str, tuple[_BatchNorm, nn.Module]],
    tensors: dict[str, Tensor],
    whose: str,
) -> None:
    """The graph's tensors into the network's; a folded normalisation adds its bias, and no more."""
    values = dict(tensors)
    folded = {name for name in norms if f"{name}.weight{FOLDED}" in tensors}
    parts = {module: name for name, module in network.named_modules()}
    for name in folded:
        norm, _ = norms[name]
        ones = torch.ones_like(norm.weight)
        bias = tensors[f"{name}.weight{FOLDED}"]
        nought = torch.zeros_like(bias)
        own = {"weight": ones, "running_var": ones - norm.eps}
        own |= {"bias": bias, "running_mean": nought}
        values |= {f"{parts[norm]}.{key}": value for key, value in own.items()}
        values[f"{name}.bias"] = nought  # where a convolution has one of its own
    state = network.state_dict()
    wanted = [key for key in state if not key.endswith(STATISTICS[-1])]
    missing = [key for key in wanted if key not in values or values[key].shape != state[key].shape]
    if missing:
        raise RecipeError(
            f"{whose} is not the recipe's network, or was exported otherwise: no {missing[0]} "
            f"of shape {tuple(state[missing[0]].shape)}. Start from a run's folder instead"
        )
    network.load_state_dict({key: values.get(key, state[key]) for key in state})


def _measure(
    network: nn.Module, norms: Iterable[_BatchNorm], images: Sequence[Tensor]
) -> dict[_BatchNorm, tuple[Tensor, Tensor]]:
    """Mean and variance of what reaches each normalisation, over all images."""
    sums: dict[_BatchNorm, list[tuple[Tensor, Tensor]]] = {norm: [] for norm in norms}

    def keep(norm: nn.Module, inputs: tuple[Tensor]) -> None:
        assert isinstance(norm, _BatchNorm)
        values = inputs[0].double().transpose(0, 1).flatten(1)
        sums[norm].append((values.mean(1), values.square().mean(1)))

    with ExitStack() as hooks:
        for norm in sums:
            hooks.callback(norm.register_forward_pre_hook(keep).remove)
        for image in images:
            network(image)
    measured = {}
    for norm, found in sums.items():
        mean, square = (torch.stack(parts).mean(0) for parts in zip(*found, strict=True))
        measured[norm] = (mean.float(), (square - mean.square()).clamp(min=0.0).float())
    return measured


def _unfold(norm: _BatchNorm, convolution: nn.Module, mean: Tensor, variance: Tensor) -> None:
    """Statistics and longer filters, undone by the normalisation's own weight and bias."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    weight = convolution.get_parameter("weight")
    length = weight.flatten(1).norm(dim=1).clamp(min=1e-12)
    longer = FILTER_LENGTH / length
    gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    shift = norm.bias - norm.running_mean * gain
    weight.mul_(longer.reshape(-1, *[1] * (weight.dim() - 1)))
    if (bias := getattr(convolution, "bias", None)) is not None:
        bias.mul_(longer)
    norm.running_mean.copy_(mean * longer)
    norm.running_var.copy_(variance * longer**2)
    norm.weight.copy_(gain / longer * torch.sqrt(norm.running_var + norm.eps))
    norm.bias.copy_(shift + mean * gain)
