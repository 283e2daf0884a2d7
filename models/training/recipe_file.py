"""Recipes: how one network is trained, as a YAML file; `docs/training.md`.

The shipped ones lie in `models/training/recipes/`. A recipe may extend others (`extends: NAME` or a
list of names), later ones win: augmentation, sampling, loss, optimiser, schedule and validation are
merged field by field, everything else is replaced.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from contouring.errors import InvalidConfigurationError
from models.card import Intensity, Name, NotNegative, OwnWithin, Spacing, StructureCard, Voxels
from models.training.laterality import mirrored_labels
from models.yaml_files import open_yaml_file

RECIPES = Path(__file__).parent / "recipes"
MERGED = ("augmentation", "sampling", "loss", "optimiser", "schedule", "validation")

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Steps = Annotated[int, Field(ge=1)]
Axis = Literal["z", "y", "x"]
Sides = tuple[Voxels, Voxels, Voxels]


class RecipeError(ValueError):
    """A recipe cannot be used: names the file, the field and what is wrong with it."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class NetworkChoice(_Strict):
    """A name of `models.networks.zoo` and what its builder is given besides the classes."""

    name: Name
    arguments: dict[str, Any] = {}


class Augmentation(_Strict):
    """What is done to a patch at random; everything is off unless a recipe says otherwise.

    `rotation_deg`: to either side about z, y and x; `scale_range`: per axis; `flips`: axes, each
    mirrored half of the time, and with x the names of left and right are swapped; `unturned`: the
    probability that a patch is neither turned nor scaled and lies on the voxels. In Hounsfield
    units, before the intensity rule: `shift_hu` and `gain` (to either side), `noise_hu` (largest
    standard deviation), `blur` (probability). After it: `shift_values`, `gain_values`.

    For scans whose surroundings were blanked, all probabilities: `fill` with the nearest tissue, as
    far as `fill_reach_mm`; `couch`; `cut`: all beyond a random distance from the labels is blanked.
    """

    rotation_deg: tuple[NotNegative, NotNegative, NotNegative] = (0.0, 0.0, 0.0)
    scale_range: tuple[Positive, Positive] = (1.0, 1.0)
    flips: tuple[Axis, ...] = ()
    unturned: Share = 0.0
    shift_hu: NotNegative = 0.0
    gain: Share = 0.0
    noise_hu: NotNegative = 0.0
    blur: Share = 0.0
    shift_values: NotNegative = 0.0
    gain_values: Share = 0.0
    fill: Share = 0.0
    fill_reach_mm: NotNegative = 60.0
    couch: Share = 0.0
    cut: Share = 0.0


class Sampling(_Strict):
    """Where patches are taken.

    `levels`: the middle of all labels in the plane, at the level of a voxel of some structure;
    `voxels`: around a voxel of some structure for `foreground_share` of the patches and around any
    other place of the scan for the rest; `scan`: the middle of the scan. `jitter_mm`: how far a
    centre strays along each axis. `emphasis`: how many times as often a case is drawn in which that
    structure was.
    """

    centre: Literal["levels", "voxels", "scan"] = "voxels"
    foreground_share: Share = 0.75
    jitter_mm: NotNegative = 0.0
    emphasis: dict[str, Positive] = {}


class LossChoice(_Strict):
    """`dice-cross-entropy`: masked where a structure was not drawn; `voxel_weights`: how much a
    voxel of a structure counts in the cross-entropy. `aggregation`: the same over the combinations
    of a network's scales. `region`: binary, on the structures grown by `growth_voxels`, and what
    lies within `reach_voxels` of an incomplete drawing does not count.
    """

    kind: Literal["dice-cross-entropy", "aggregation", "region"] = "dice-cross-entropy"
    voxel_weights: dict[str, Positive] = {}
    growth_voxels: Annotated[int, Field(ge=0)] = 0
    reach_voxels: Annotated[int, Field(ge=0)] = 0


class Optimiser(_Strict):
    """`gradient_limit`: the gradient is scaled down to this norm."""

    kind: Literal["adam", "adamw"] = "adamw"
    learning_rate: Positive
    weight_decay: NotNegative = 1e-4
    gradient_limit: Positive = 5.0


class Schedule(_Strict):
    """How the learning rate runs, as a factor of the optimiser's.

    `cosine`: from 1 to `lowest` over the run; `cyclic`: from `lowest` up to 1 and down again, a
    triangle of `cycle_steps`; `constant`. All are first warmed up over `warm_up_steps`.
    """

    kind: Literal["cosine", "cyclic", "constant"] = "cosine"
    warm_up_steps: Annotated[int, Field(ge=0)] = 50
    lowest: Share = 0.01
    cycle_steps: Steps = 500


class Candidate(_Strict):
    """The only voxels that are learned from (Roth et al., section 2).

    `body`: the patient against the air; `coarse`: what another network marked. Both are grown by
    `dilation_mm`.
    """

    region: Literal["body", "coarse"]
    dilation_mm: NotNegative = 0.0


class Validation(_Strict):
    """How often, and on how many cases, the averaged weights are tried; on none: not at all."""

    every_steps: Steps = 100
    cases: Annotated[int, Field(ge=0)] = 8


class Recipe(_Strict):
    """A whole recipe; `spacing_mm`, `own_within`, `shape`, `window`, `multiple_of` and `overlap` as
    in a card.

    `patch`: voxels (z, y, x) that the network is trained on at once; `window`: what it is to see at
    once when it is used, the patch unless given. `binary`: any structure counts as 1.
    """

    name: Name
    stage: Literal["localizer", "segmenter"]
    network: NetworkChoice
    structures: Annotated[tuple[StructureCard, ...], Field(min_length=1)]
    intensity: Intensity
    spacing_mm: Literal["native"] | tuple[Spacing, Spacing, Spacing] | None = None
    own_within: OwnWithin | None = None
    shape: Sides | None = None
    patch: Sides
    window: Sides | None = None
    multiple_of: Annotated[int, Field(ge=1, le=256)] = 1
    overlap: Annotated[float, Field(ge=0, lt=0.9)] = 0.0
    binary: bool = False
    batch: Annotated[int, Field(ge=1)] = 2
    sampling: Sampling = Sampling()
    augmentation: Augmentation = Augmentation()
    loss: LossChoice = LossChoice()
    optimiser: Optimiser
    schedule: Schedule = Schedule()
    candidate: Candidate | None = None
    validation: Validation = Validation()
    steps: Steps
    seed: Annotated[int, Field(ge=0)] = 0
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    channels_last: bool = True
    average_decay: Annotated[float, Field(ge=0, lt=1)] = 0.995

    @property
    def classes(self) -> int:
        """Channels of the network's answer, background first."""
        return 2 if self.binary else len(self.structures) + 1

    @property
    def structure_names(self) -> tuple[str, ...]:
        """In the order of the labels 1, 2, 3, ..."""
        return tuple(structure.name for structure in self.structures)

    @property
    def sliding_window(self) -> tuple[int, int, int]:
        """Voxels (z, y, x) that the network is to see at once when it is used."""
        return self.window or self.patch

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.spacing_mm is None) == (self.shape is None):
            raise ValueError("give either spacing_mm (z, y, x; or native) or shape (z, y, x)")
        if self.own_within is not None and self.spacing_mm in (None, "native"):
            raise ValueError("own_within needs spacing_mm (z, y, x) in mm")
        for field, sides in (("patch", self.patch), ("window", self.sliding_window)):
            if any(side % self.multiple_of for side in sides if side > 1):
                raise ValueError(f"{field} {sides} is not a multiple of {self.multiple_of}")
        if self.shape is not None and self.patch != self.shape:
            raise ValueError(f"patch {self.patch} must be shape {self.shape}: the whole scan")
        labels = [structure.label for structure in self.structures]
        if labels != list(range(1, len(labels) + 1)):
            raise ValueError(f"structures must have labels 1, 2, 3, ... in order, not {labels}")
        for field, named in (
            ("sampling.emphasis", self.sampling.emphasis),
            ("loss.voxel_weights", self.loss.voxel_weights),
        ):
            if unknown := set(named) - set(self.structure_names):
                raise ValueError(f"{field}: {', '.join(sorted(unknown))} is no structure of these")
        if (self.loss.kind == "region") != self.binary:
            raise ValueError("loss.kind region and binary: true go together")
        if self.shape is not None and self.sampling.centre != "scan":
            raise ValueError("with shape, the whole scan is seen: set sampling.centre: scan")
        if "x" in self.augmentation.flips:
            mirrored_labels(self.structure_names)
        return self


def shipped_recipes() -> tuple[str, ...]:
    """The names of the recipes that come with Oarlock."""
    return tuple(sorted(path.stem for path in RECIPES.glob("*.yaml")))


def read_recipe(name_or_path: str | Path) -> Recipe:
    """A shipped recipe by its name, or one's own by its path; raises `RecipeError`."""
    path = _find(str(name_or_path), Path())
    try:
        return Recipe.model_validate(_merged(path, ()))
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'recipe'}: {fault['msg']}"
            for fault in error.errors()
        )
        raise RecipeError(f"{path}: {faults}") from None


def overridden(recipe: Recipe, **values: Any) -> Recipe:
    """The recipe with other values of some fields, those that are None left as they are."""
    given = {field: value for field, value in values.items() if value is not None}
    return Recipe.model_validate(recipe.model_dump() | given)


def write_recipe(recipe: Recipe, path: Path) -> None:
    """The recipe as a file of its own, everything it extends filled in."""
    text = yaml.safe_dump(
        recipe.model_dump(mode="json", exclude_none=True),
        sort_keys=False,
        width=96,
        default_flow_style=None,
    )
    path.write_text(text, encoding="utf-8")


def _find(name: str, beside: Path) -> Path:
    for path in (beside / name, beside / f"{name}.yaml", RECIPES / f"{name}.yaml"):
        if path.is_file():
            return path
    raise RecipeError(
        f"there is no recipe {name!r}: give a path to one, or one of {', '.join(shipped_recipes())}"
    )


def _merged(path: Path, within: tuple[Path, ...]) -> dict[str, Any]:
    """The file's fields over those of what it extends."""
    if path in within:
        raise RecipeError(f"{path}: extends itself by way of {within[-1]}")
    try:
        fields = open_yaml_file(path).values
    except InvalidConfigurationError as error:
        raise RecipeError(str(error)) from error
    extended = fields.pop("extends", [])
    merged: dict[str, Any] = {}
    for name in [extended] if isinstance(extended, str) else extended:
        merged = _over(merged, _merged(_find(str(name), path.parent), (*within, path)))
    return _over(merged, fields)


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**below, **above}
    for field in MERGED:
        parts = below.get(field), above.get(field)
        if all(isinstance(part, Mapping) for part in parts):
            merged[field] = {**parts[0], **parts[1]}  # type: ignore[dict-item]
    return merged
