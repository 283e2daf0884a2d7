"""Self-training with pseudo labels in rounds (Lyu et al., section 3.3).

In each round the training cases are split into two folds and a network is trained on each. Both
then vote softly on every case: what was drawn stays, and structures that were not drawn get the
likelier of the voters' answers. The completed cases are the next round's data, and in the end one
network learns from all of them. Held-out cases never get pseudo labels.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from models.training.cases import TrainingCase, read_case
from models.training.dataset import (
    DATASET_FILE,
    DRAWN_FILE,
    IMAGE_ENDING,
    IMAGES,
    LABEL_ENDING,
    LABELS,
    SPLIT_FILES,
    TRAIN,
    VAL,
    Dataset,
    read_dataset,
    write_labels,
)
from models.training.patches import PatchSampler
from models.training.prediction import on_voxels, soft_vote
from models.training.prepared_cases import PreparedCase, prepare_case
from models.training.recipe_file import Recipe, RecipeError
from models.training.run_facts import RunFacts
from models.training.runs import load_network
from models.training.train import Report, Sources, train

FOLDS = ("a", "b")
Announce = Callable[[str], Report]


def self_train(
    recipe: Recipe, sources: Sources, run: Path, device: str, rounds: int, announce: Announce
) -> RunFacts:
    """`rounds` rounds, then the last network; their runs and data lie below `run`.

    `announce` is told the name of each training and gives what it reports to. Broken off and
    called again, it goes on where it was.
    """
    if rounds and recipe.binary:
        raise RecipeError(f"recipe {recipe.name} is binary: its answers name no structures")
    for count in range(1, rounds + 1):
        folder = run / f"round-{count}"
        voters = []
        for fold, names in zip(FOLDS, _folds(sources), strict=True):
            title = f"round {count} of {rounds}, fold {fold}"
            half = replace(sources, only=names)
            train(recipe, half, folder / f"fold-{fold}", device, announce(title))
            voters.append(load_network(folder / f"fold-{fold}")[1])
        data = folder / "data"
        if not (data / DATASET_FILE).is_file():  # written last
            write_pseudo_labels(recipe, sources, voters, data, torch.device(device))
        sources = replace(sources, data=data)
    return train(recipe, sources, run, device, announce("all cases" if rounds else recipe.name))


def write_pseudo_labels(
    recipe: Recipe,
    sources: Sources,
    voters: Sequence[nn.Module],
    folder: Path,
    device: torch.device,
) -> None:
    """A data set of the recipe's structures: every case, completed unless it is held out."""
    dataset = read_dataset(sources.data)
    for part in (IMAGES, LABELS):
        (folder / part).mkdir(parents=True, exist_ok=True)
    sampler = PatchSampler(recipe, device)
    voters = [voter.to(device) for voter in voters]
    held_out = {entry.name for entry in dataset.cases(VAL)} if sources.split == TRAIN else set()
    drawn = []
    for entry in dataset.entries:
        case = read_case(dataset, entry, recipe.structure_names)
        names = sorted(entry.drawn & set(recipe.structure_names))
        if entry.name not in held_out and len(names) < len(recipe.structures):
            case = replace(case, labels=completed_labels(case, voters, sampler))
            names = list(recipe.structure_names)
        write_labels(folder / LABELS / f"{entry.name}{LABEL_ENDING}", case.labels, entry.image)
        _link(entry.image, folder / IMAGES / f"{entry.name}{IMAGE_ENDING}")
        drawn.append({"case": entry.name, "structures": names})
    (folder / DRAWN_FILE).write_text(json.dumps(drawn))
    _write_lists(dataset, recipe, folder)


def completed_labels(
    case: TrainingCase, voters: Sequence[nn.Module], sampler: PatchSampler
) -> NDArray[np.uint8]:
    """The case's labels, and in their background the likeliest of what was not drawn."""
    prepared = PreparedCase(**prepare_case(case, sampler.recipe, whole=True))
    place, votes = soft_vote(voters, sampler, prepared)
    open_labels = np.flatnonzero(~case.is_drawn)
    candidates = np.concatenate(([0], open_labels))
    chosen = torch.from_numpy(candidates).to(votes.device)
    labels = case.labels.copy()
    for slab, probabilities in on_voxels(votes[chosen], place, prepared):
        voted = candidates[probabilities.argmax(dim=0).cpu().numpy()]
        labels[slab] = np.where(labels[slab] > 0, labels[slab], voted)
    return labels


def _folds(sources: Sources) -> tuple[frozenset[str], frozenset[str]]:
    """Every other case in each, of those that were drawn on and of the rest."""
    entries = read_dataset(sources.data).cases(sources.split)
    names = [entry.name for entry in sorted(entries, key=lambda entry: not entry.drawn)]
    return frozenset(names[0::2]), frozenset(names[1::2])


def _link(image: Path, link: Path) -> None:
    """Images are large and stay where they are."""
    link.unlink(missing_ok=True)
    link.symlink_to(os.path.realpath(image))


def _write_lists(dataset: Dataset, recipe: Recipe, folder: Path) -> None:
    splits = {split: list(dataset.splits.get(split, ())) for split in (TRAIN, VAL)}
    (folder / SPLIT_FILES[0]).write_text(json.dumps(splits))
    labels = {"background": 0} | {s.name: s.label for s in recipe.structures}
    content = {
        "channel_names": {"0": "CT"},
        "labels": labels,
        "numTraining": len(dataset.entries),
        "file_ending": LABEL_ENDING,
    }
    (folder / DATASET_FILE).write_text(json.dumps(content))
