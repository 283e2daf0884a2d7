"""Train one network by a recipe; a run that is broken off goes on from its last checkpoint."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models.training.candidate_regions import build_marker
from models.training.curves import Curve, CurveRow
from models.training.dataset import TRAIN, VAL, CaseEntry, Dataset, read_dataset
from models.training.patches import Batch, PatchSampler
from models.training.prepared_cases import Preparation, PrepareCase, PreparedCases
from models.training.recipe_file import Recipe, RecipeError
from models.training.run_facts import RunFacts, write_facts
from models.training.runs import (
    Progress,
    memory_layout,
    recipe_network,
    save_progress,
    save_weights,
    start_run,
)
from models.training.schedules import rate_factor
from models.training.served_weights import is_bundle, take_served_weights
from models.training.validation import autocast, validation_dice

MEASURED_BATCHES = 32  # on which a bundle's normalisations are measured
Report = Callable[[Preparation | CurveRow], None]


class DivergedError(RecipeError):
    """A run that cannot learn any more: its weights are not numbers."""


@dataclass(frozen=True)
class Sources:
    """Where a run learns from.

    `split`: the cases that are learned from, `train` or `all`; `initial`: runs, checkpoints or
    bundles from the mean of whose (averaged) weights a new run starts; `coarse`: the run of the
    coarse network whose answer is the recipe's candidate region; `cache`: a folder for prepared
    cases, for data sets that are larger than the memory; `only`: names of cases, for one fold of
    a split.
    """

    data: Path
    split: str = TRAIN
    initial: tuple[Path, ...] = ()
    coarse: Path | None = None
    cache: Path | None = None
    workers: int = 1
    only: frozenset[str] | None = None


def train(
    recipe: Recipe,
    sources: Sources,
    run: Path,
    device: str = "cpu",
    report: Report = lambda told: None,
) -> RunFacts:
    """Runs to the recipe's steps; writes the checkpoint and the curve into `run` as it goes.

    `report` is called for every case that was prepared, and after every step, with the step's place
    and, where there is one, its result.
    """
    place = torch.device(device)
    if place.type == "cuda":
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("high")
    dataset = read_dataset(sources.data)
    learned, judged = _prepare(recipe, dataset, sources, place, report)
    torch.manual_seed(recipe.seed)
    sampler = PatchSampler(recipe, place)
    initial = [_checkpoint(path, recipe, learned, sampler, run) for path in sources.initial]
    progress = start_run(recipe, run, place, initial)
    facts = RunFacts.of(recipe, dataset, learned.names, place)
    curve = Curve(run, progress.steps_done)
    started, losses = time.monotonic() - curve.seconds, []
    steps = range(progress.steps_done, recipe.steps)
    for step, batch in zip(steps, _batches(learned, sampler, steps), strict=True):
        losses.append(_learn(progress, recipe, batch, step))
        row = CurveRow(step + 1, recipe.steps)
        if (step + 1) % recipe.validation.every_steps == 0 or step + 1 == recipe.steps:
            row = CurveRow(
                step + 1,
                recipe.steps,
                loss=float(torch.stack(losses).mean()),
                learning_rate=progress.optimiser.param_groups[0]["lr"],
                dice=validation_dice(progress.average, sampler, judged),
                seconds=time.monotonic() - started,
            )
            losses = []
            if not math.isfinite(row.loss or 0.0):
                raise DivergedError(
                    f"{run}: the loss is not a number after step {step + 1}; the last good "
                    "checkpoint is kept. Lower optimiser.learning_rate, or choose another precision"
                )
            save_progress(progress, run, step + 1)
            curve.add(row)
            write_facts(facts.after(step + 1, row.seconds), run)
        report(row)
    curve.close()
    return facts.after(recipe.steps, time.monotonic() - started)


def _prepare(
    recipe: Recipe, dataset: Dataset, sources: Sources, device: torch.device, report: Report
) -> tuple[PreparedCases, PreparedCases]:
    marker = build_marker(recipe, sources.coarse, device)
    prepare = PrepareCase(dataset, recipe, marker)
    learned = [
        entry
        for entry in _drawn(dataset.cases(sources.split), recipe)
        if sources.only is None or entry.name in sources.only
    ]
    if not learned:
        raise RecipeError(
            f"{dataset.folder}: no case of {sources.split} has any of "
            f"{', '.join(recipe.structure_names)}"
        )
    judged = _drawn(dataset.cases(VAL), recipe)[: recipe.validation.cases]
    return (
        PreparedCases(learned, prepare, device, sources.cache, sources.workers, report),
        PreparedCases(judged, prepare, device, sources.cache, sources.workers, report),
    )


def _checkpoint(
    initial: Path, recipe: Recipe, cases: PreparedCases, sampler: PatchSampler, run: Path
) -> Path:
    """What a run starts from; of a bundle, its weights, written into the run's folder."""
    if not is_bundle(initial):
        return initial
    path = run / f"{initial.resolve().name}-{recipe.stage}.pt"
    if not path.exists():
        network = recipe_network(recipe)
        patches = _batches(cases, sampler, range(MEASURED_BATCHES))
        images = [patch.image.cpu() for patch in patches]
        take_served_weights(network, initial, recipe, images)
        run.mkdir(parents=True, exist_ok=True)
        save_weights(network, path)
    return path


def _drawn(entries: tuple[CaseEntry, ...], recipe: Recipe) -> list[CaseEntry]:
    return [entry for entry in entries if entry.drawn & set(recipe.structure_names)]


def _batches(cases: PreparedCases, sampler: PatchSampler, steps: range) -> Iterator[Batch]:
    """The batch of each step; on a CPU the next is drawn while the network learns from the last."""
    recipe = sampler.recipe
    shares = _shares(cases, recipe)
    layout = memory_layout(recipe)

    def draw(step: int) -> Batch:
        # Seeded by step, so that a resumed run draws what an unbroken one would.
        rng = np.random.default_rng([recipe.seed, step])
        replace = recipe.batch > len(cases)
        chosen = rng.choice(len(cases), size=recipe.batch, replace=replace, p=shares)
        return Batch.of([sampler.draw(cases[int(index)], rng) for index in chosen], layout)

    if sampler.device.type != "cpu":  # launched ahead of what the device is doing in any case
        yield from map(draw, steps)
        return
    with ThreadPoolExecutor(1) as pool:
        upcoming = pool.submit(draw, steps.start) if steps else None
        for step in steps:
            assert upcoming is not None
            batch = upcoming.result()
            upcoming = pool.submit(draw, step + 1) if step + 1 < steps.stop else None
            yield batch


def _shares(cases: PreparedCases, recipe: Recipe) -> NDArray[np.float64] | None:
    """How often each case is drawn; None for equally."""
    if not recipe.sampling.emphasis:
        return None
    weights = np.ones(len(cases))
    for name, weight in recipe.sampling.emphasis.items():
        weights[[name in drawn for drawn in cases.drawn]] *= weight
    return weights / weights.sum()


def _learn(progress: Progress, recipe: Recipe, batch: Batch, step: int) -> torch.Tensor:
    """One step of the optimiser and of the average; the loss, still on the device."""
    network, optimiser, scaler = progress.network, progress.optimiser, progress.scaler
    factor = rate_factor(recipe.schedule, step, recipe.steps)
    for group in optimiser.param_groups:
        group["lr"] = recipe.optimiser.learning_rate * factor
    # What a network drops at random must not depend on where a run was broken off either.
    torch.manual_seed(recipe.seed * 1_000_003 + step)
    network.train()
    with autocast(batch.image.device, recipe.precision):
        answers = progress.loss.predict(network, batch.image)
    loss = progress.loss(answers, batch)
    optimiser.zero_grad()
    scaler.scale(loss).backward()
    scaler.unscale_(optimiser)
    torch.nn.utils.clip_grad_norm_(network.parameters(), recipe.optimiser.gradient_limit)
    scaler.step(optimiser)
    scaler.update()
    progress.average.update_parameters(network)
    return loss.detach()
