"""How the learning rate runs over a run's steps."""

from __future__ import annotations

import math

from models.training.recipe_file import Schedule


def rate_factor(schedule: Schedule, step: int, steps: int) -> float:
    """What the optimiser's learning rate is multiplied by at `step` of `steps`, from 0."""
    warm_up = min(1.0, (step + 1) / schedule.warm_up_steps) if schedule.warm_up_steps else 1.0
    return warm_up * (schedule.lowest + (1 - schedule.lowest) * _height(schedule, step, steps))


def _height(schedule: Schedule, step: int, steps: int) -> float:
    """Between 0, at the lowest rate, and 1, at the full one."""
    if schedule.kind == "constant":
        return 1.0
    if schedule.kind == "cosine":
        return 0.5 * (1 + math.cos(math.pi * step / steps))
    # Smith, WACV 2017: a triangle, up in the first half of a cycle and down in the second.
    place = (step % schedule.cycle_steps) / schedule.cycle_steps
    return 1 - abs(2 * place - 1)
