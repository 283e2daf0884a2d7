"""A run's folder: recipe.yaml, checkpoint.pt, curve.csv and run.json."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from models.networks.zoo import UnknownNetworkError, build_network
from models.training.losses import RecipeLoss
from models.training.recipe_file import Recipe, RecipeError, read_recipe, write_recipe

RECIPE, CHECKPOINT, CURVE, FACTS = "recipe.yaml", "checkpoint.pt", "curve.csv", "run.json"


@dataclass(frozen=True)
class Progress:
    """Where a run stands: network, the average of its weights, and the number of steps done."""

    network: nn.Module
    average: AveragedModel
    loss: RecipeLoss
    optimiser: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    steps_done: int


def recipe_network(recipe: Recipe) -> nn.Module:
    """The recipe's network, its weights as they are at the start; raises `RecipeError`."""
    try:
        return build_network(recipe.network.name, recipe.classes, recipe.network.arguments)
    except UnknownNetworkError as error:
        raise RecipeError(f"recipe {recipe.name}: {error}") from None


def start_run(
    recipe: Recipe, run: Path, device: torch.device, initial: Sequence[Path] = ()
) -> Progress:
    """A new run, or the one in the folder from where it stands.

    `initial`: other runs' folders or checkpoints; a new run starts from the mean of their averaged
    weights (Wortsman et al., arXiv 2203.05482), which is of use if one went on from another.
    Raises `RecipeError` if the folder holds the run of another recipe.
    """
    run.mkdir(parents=True, exist_ok=True)
    _keep_recipe(recipe, run / RECIPE)
    network = recipe_network(recipe)
    if initial:
        network.load_state_dict(mean_weights(initial))
    network = _laid_out(network.to(device), recipe)
    average = AveragedModel(
        network, multi_avg_fn=get_ema_multi_avg_fn(recipe.average_decay), use_buffers=True
    )
    loss = RecipeLoss(recipe).to(device)
    optimiser = _build_optimiser(recipe, network, loss)
    scaler = torch.amp.GradScaler(
        device.type, enabled=recipe.precision == "float16" and device.type == "cuda"
    )
    steps_done = 0
    if (run / CHECKPOINT).exists():
        state = torch.load(run / CHECKPOINT, weights_only=True, map_location=device)
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        loss.load_state_dict(state["loss"])
        optimiser.load_state_dict(state["optimiser"])
        if scaler.is_enabled():
            scaler.load_state_dict(state["scaler"])
        steps_done = int(state["steps"])
    return Progress(network, average, loss, optimiser, scaler, steps_done)


def save_progress(progress: Progress, run: Path, steps: int) -> None:
    """The checkpoint, replaced in one go: a run that is broken off leaves a whole one."""
    state = {
        "network": progress.network.state_dict(),
        "average": progress.average.state_dict(),
        "loss": progress.loss.state_dict(),
        "optimiser": progress.optimiser.state_dict(),
        "scaler": progress.scaler.state_dict(),
        "steps": steps,
    }
    partial = (run / CHECKPOINT).with_suffix(".partial")
    torch.save(state, partial)
    os.replace(partial, run / CHECKPOINT)


def save_weights(network: nn.Module, path: Path) -> None:
    """A checkpoint that a run can start from, and not go on from."""
    average = {f"module.{name}": weight for name, weight in network.state_dict().items()}
    torch.save({"average": average}, path)


def load_network(run: Path) -> tuple[Recipe, nn.Module]:
    """A run's recipe and its network with the moving average of the weights, to be used."""
    recipe = read_recipe(run / RECIPE)
    network = recipe_network(recipe)
    network.load_state_dict(averaged_weights(run))
    return recipe, network.eval()


def averaged_weights(run: Path) -> dict[str, Tensor]:
    """The moving average of a run's weights, as the network's own state; a folder or checkpoint."""
    checkpoint = run / CHECKPOINT if run.is_dir() else run
    state: dict[str, Any] = torch.load(checkpoint, weights_only=True, map_location="cpu")
    average = state["average"]
    return {k.removeprefix("module."): v for k, v in average.items() if k.startswith("module.")}


def mean_weights(runs: Sequence[Path]) -> dict[str, Tensor]:
    """The mean of several runs' averaged weights, as one network's state."""
    states = [averaged_weights(run) for run in runs]
    last = states[-1]
    learned = [name for name, weight in last.items() if weight.is_floating_point()]  # no counters
    means = {name: torch.stack([state[name] for state in states]).mean(0) for name in learned}
    return {**last, **means}


def memory_layout(recipe: Recipe) -> torch.memory_format:
    """How images (B, 1, z, y, x) lie in memory."""
    return torch.channels_last_3d if recipe.channels_last else torch.contiguous_format


def _laid_out(network: nn.Module, recipe: Recipe) -> nn.Module:
    """The network with its kernels as the images lie; networks may mix 2D and 3D kernels."""
    if recipe.channels_last:
        formats = {4: torch.channels_last, 5: torch.channels_last_3d}
        for parameter in network.parameters():
            if parameter.dim() in formats:
                layout = formats[parameter.dim()]
                parameter.data = parameter.data.to(memory_format=layout)
    return network


def _keep_recipe(recipe: Recipe, path: Path) -> None:
    """Written once; a run goes on only under the recipe that it was started with.

    More steps may be asked for, though: then the schedule runs as if they had been from the start.
    """
    if path.exists():
        known = read_recipe(path)
        differing = [
            field
            for field in Recipe.model_fields
            if field != "steps" and getattr(known, field) != getattr(recipe, field)
        ]
        if differing:
            raise RecipeError(
                f"{path} differs in {', '.join(differing)}: resume with the same recipe, "
                "or choose another folder"
            )
    write_recipe(recipe, path)


def _build_optimiser(recipe: Recipe, network: nn.Module, loss: RecipeLoss) -> torch.optim.Optimizer:
    choice = recipe.optimiser
    kind = torch.optim.AdamW if choice.kind == "adamw" else torch.optim.Adam
    groups: list[dict[str, Any]] = [
        {"params": list(network.parameters()), "weight_decay": choice.weight_decay}
    ]
    if learned := list(loss.parameters()):
        groups.append({"params": learned, "weight_decay": 0.0})
    return kind(groups, lr=choice.learning_rate)
