"""Train one stage, resuming from its checkpoint.

python -m models.training.train segmenter --data ../shared/openkbp --work run --steps 3000
"""

from __future__ import annotations

import argparse
import csv
import math
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from models.training.cases import AIR_HU, STRUCTURES, read_cases
from models.training.patches import CaseSampler, Patch
from models.training.plans import PLANS, TrainingPlan

WARM_UP_STEPS = 50
AVERAGE_DECAY = 0.995
WEIGHT_DECAY = 1e-4
GRADIENT_LIMIT = 5.0
CHECKPOINT_EVERY = 100
JUDGED_CASES = 8


@dataclass(frozen=True)
class Progress:
    """Where a run stands: networks, optimiser and the number of steps done."""

    network: nn.Module
    average: AveragedModel
    optimiser: torch.optim.Optimizer
    steps_done: int


def train(
    plan: TrainingPlan,
    data: Path,
    work: Path,
    steps: int,
    seed: int,
    bf16: bool = False,
    initial: Path | None = None,
) -> None:
    """Runs to `steps`; writes `checkpoint.pt` and `curve.csv` into `work` as it goes.

    `initial`: another run's checkpoint, whose averaged weights a new run starts from.
    """
    work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    progress = _resume(plan, work / "checkpoint.pt", initial)
    samplers = _samplers(plan, data, "train")
    judged = _samplers(plan, data, "val")[:JUDGED_CASES]
    losses: list[float] = []
    started = time.monotonic()
    batches = _batches(samplers, plan, range(progress.steps_done, steps), seed)
    for step, batch in enumerate(batches, start=progress.steps_done):
        for group in progress.optimiser.param_groups:
            group["lr"] = plan.learning_rate * _schedule(step, steps)
        losses.append(_step(progress, plan, batch, bf16))
        if (step + 1) % CHECKPOINT_EVERY == 0 or step + 1 == steps:
            score = _judge(progress.average, judged)
            _save(progress, work / "checkpoint.pt", step + 1)
            seconds = time.monotonic() - started
            _report(work / "curve.csv", step + 1, float(np.mean(losses)), score, seconds)
            losses = []


def _samplers(plan: TrainingPlan, data: Path, split: str) -> list[CaseSampler]:
    cases = read_cases(data, split)
    return [
        CaseSampler(
            case.cropped(case.hu > AIR_HU if plan.whole_scan else case.labels > 0), plan.patches
        )
        for case in cases
    ]


def _batches(
    samplers: list[CaseSampler], plan: TrainingPlan, steps: range, seed: int
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """The batch of each step; the next one is drawn while the network learns from the last."""

    def draw(step: int) -> tuple[Tensor, Tensor, Tensor]:
        # Seeded by step, so that a resumed run draws what an unbroken one would.
        rng = np.random.default_rng([seed, step])
        chosen = rng.choice(len(samplers), size=plan.batch, replace=False, p=shares)
        return _collate([samplers[i].draw(rng) for i in chosen], plan.memory_format)

    shares = _shares(samplers, plan)
    with ThreadPoolExecutor(1) as pool:
        upcoming = pool.submit(draw, steps.start)
        for step in steps:
            batch = upcoming.result()
            if step + 1 < steps.stop:
                upcoming = pool.submit(draw, step + 1)
            yield batch


def _shares(samplers: list[CaseSampler], plan: TrainingPlan) -> NDArray[np.float64] | None:
    """How often each case is drawn; None for equally."""
    if not plan.emphasis:
        return None
    weights = np.ones(len(samplers))
    for name, weight in plan.emphasis.items():
        label = STRUCTURES.index(name) + 1
        weights[[bool(sampler.case.is_drawn[label]) for sampler in samplers]] *= weight
    return weights / weights.sum()


def _collate(
    patches: list[Patch], memory_format: torch.memory_format
) -> tuple[Tensor, Tensor, Tensor]:
    images = torch.stack([p.image for p in patches]).contiguous(memory_format=memory_format)
    return (
        images,
        torch.stack([p.labels for p in patches]),
        torch.stack([p.is_drawn for p in patches]),
    )


def _schedule(step: int, steps: int) -> float:
    warm_up = min(1.0, (step + 1) / WARM_UP_STEPS)
    return warm_up * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / steps)))


def _step(
    progress: Progress, plan: TrainingPlan, batch: tuple[Tensor, Tensor, Tensor], bf16: bool
) -> float:
    image, labels, is_drawn = batch
    progress.network.train()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        logits = progress.network(image)
    loss = plan.loss(logits.float(), labels, is_drawn)
    progress.optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(progress.network.parameters(), GRADIENT_LIMIT)
    progress.optimiser.step()
    progress.average.update_parameters(progress.network)
    return float(loss.detach())


@torch.no_grad()
def _judge(network: nn.Module, samplers: list[CaseSampler]) -> float:
    """Mean Dice over labels present (all as one for a localizer) on central patches: a trend."""
    network.eval()
    scores = []
    for sampler in samplers:
        patch = sampler.central()
        predicted = network(patch.image[None])[0].argmax(dim=0)
        scores += [
            _dice(predicted == k, patch.labels == k)
            for k in range(1, len(patch.is_drawn))
            if bool((patch.labels == k).any())
        ]
    return float(np.mean(scores))


def _dice(predicted: Tensor, truth: Tensor) -> float:
    return float(2 * (predicted & truth).sum() / (predicted.sum() + truth.sum()).clamp(min=1))


def averaged_weights(checkpoint: Path) -> dict[str, Tensor]:
    """The moving average of a run's weights, as the network's own state."""
    state = torch.load(checkpoint, weights_only=True)["average"]
    return {k.removeprefix("module."): v for k, v in state.items() if k.startswith("module.")}


def _resume(plan: TrainingPlan, checkpoint: Path, initial: Path | None) -> Progress:
    network = plan.network().to(memory_format=plan.memory_format)  # type: ignore[call-overload]
    if initial is not None:
        network.load_state_dict(averaged_weights(initial))
    average = AveragedModel(
        network, multi_avg_fn=get_ema_multi_avg_fn(AVERAGE_DECAY), use_buffers=True
    )
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=WEIGHT_DECAY)
    steps_done = 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        steps_done = int(state["steps"])
    return Progress(network, average, optimiser, steps_done)


def _save(progress: Progress, checkpoint: Path, steps: int) -> None:
    state = {
        "network": progress.network.state_dict(),
        "average": progress.average.state_dict(),
        "optimiser": progress.optimiser.state_dict(),
        "steps": steps,
    }
    partial = checkpoint.with_suffix(".partial")
    torch.save(state, partial)
    os.replace(partial, checkpoint)


def _report(curve: Path, step: int, loss: float, score: float, seconds: float) -> None:
    is_new = not curve.exists()
    with curve.open("a", newline="") as file:
        writer = csv.writer(file)
        if is_new:
            writer.writerow(["step", "loss", "central_patch_dice", "seconds"])
        writer.writerow([step, f"{loss:.4f}", f"{score:.4f}", f"{seconds:.0f}"])
    sys.stderr.write(f"step {step}: loss {loss:.4f}, Dice {score:.4f}, {seconds:.0f} s\n")


def main() -> None:
    """Command line of the module."""
    parser = argparse.ArgumentParser(description="Train one stage of the hn-oar cascade.")
    parser.add_argument("stage", choices=sorted(PLANS))
    parser.add_argument("--data", type=Path, required=True, help="the OpenKBP folder")
    parser.add_argument("--work", type=Path, required=True, help="checkpoints and curves")
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--bf16", action="store_true", help="only where the CPU has bfloat16")
    parser.add_argument("--initial", type=Path, help="a checkpoint to start a new run from")
    options = parser.parse_args()
    train(
        PLANS[options.stage],
        options.data,
        options.work / options.stage,
        options.steps,
        options.seed,
        options.bf16,
        options.initial,
    )


if __name__ == "__main__":
    main()
