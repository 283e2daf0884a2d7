"""Recipes small enough for tests: seconds on one core, on the cases of `phantom_cases`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from models.training.recipe_file import Recipe

STRUCTURES = ("Brainstem", "Parotid_R", "Parotid_L")
COLOURS = ((0, 160, 176), (214, 84, 39), (60, 140, 231), (255, 221, 51), (120, 190, 90))


def phantom_recipe(structures: Sequence[str] = STRUCTURES, **fields: Any) -> Recipe:
    """A segmenter's recipe for `structures`; `fields` replace what stands here.

    Without flips: a phantom's left and right differ in brightness, which a small network learns
    much sooner than their places.
    """
    recipe: dict[str, Any] = {
        "name": "phantom-segmenter",
        "stage": "segmenter",
        "network": {"name": "residual-unet", "arguments": {"widths": [8, 12, 16]}},
        "structures": [
            {"label": label, "name": name, "colour": COLOURS[label % len(COLOURS)]}
            for label, name in enumerate(structures, start=1)
        ],
        "intensity": {"hu_range": [-250.0, 550.0]},
        "spacing_mm": [3.0, 4.0, 4.0],
        "patch": [24, 32, 32],
        "multiple_of": 4,
        "batch": 2,
        "sampling": {"centre": "voxels"},
        "augmentation": {
            "rotation_deg": [10.0, 10.0, 10.0],
            "scale_range": [0.9, 1.1],
            "noise_hu": 10.0,
        },
        "optimiser": {"learning_rate": 0.03},
        "schedule": {"warm_up_steps": 5},
        "validation": {"every_steps": 20, "cases": 1},
        "steps": 60,
        "average_decay": 0.9,
    }
    return Recipe.model_validate(recipe | fields)
