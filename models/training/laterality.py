"""Left and right: what a mirrored patient's structures are called."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# TG-263 section 7.2: the side is a part of the name of its own, as in Parotid_R or Lung_L_Lower.
_SIDE = re.compile(r"_([RL])(?=_|$)")
_OTHER = {"R": "L", "L": "R"}


class UnpairedStructureError(ValueError):
    """A structure of one side without its counterpart: a mirrored patient has no name for it."""


def mirrored_name(name: str) -> str:
    """The other side's structure; a structure of no side is its own."""
    return _SIDE.sub(lambda side: f"_{_OTHER[side.group(1)]}", name)


def mirrored_labels(structures: Sequence[str]) -> NDArray[np.int64]:
    """(1 + structures,) what each label is called in a mirrored patient; background stays 0."""
    labels = {name: label for label, name in enumerate(structures, start=1)}
    mirrored = [0]
    for name in structures:
        if mirrored_name(name) not in labels:
            raise UnpairedStructureError(
                f"{name} has no {mirrored_name(name)} beside it: leave x out of augmentation.flips"
            )
        mirrored.append(labels[mirrored_name(name)])
    return np.array(mirrored)
