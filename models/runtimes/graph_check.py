"""Whether a graph, as a runtime has read it, is what its card describes; and how it is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from contouring.errors import InferenceError, InvalidBundleError
from models.card import StageCard


@dataclass(frozen=True)
class GraphTensor:
    """`shape`: None where the graph leaves a side open; `element`: in the words of the runtime."""

    name: str
    element: str
    is_float32: bool
    shape: tuple[int | None, ...]


@dataclass(frozen=True)
class Graph:
    """What goes in and what comes out."""

    inputs: tuple[GraphTensor, ...]
    outputs: tuple[GraphTensor, ...]

    @property
    def takes_many(self) -> bool:
        """Whether it takes any number of windows at once."""
        return self.inputs[0].shape[0] is None

    @property
    def at_once(self) -> int | None:
        """How many windows it takes at once: one, or as many as there are."""
        return None if self.takes_many else 1

    @property
    def takes_any_window(self) -> bool:
        """Whether it takes windows of any size."""
        return all(side is None for side in self.inputs[0].shape[2:])


def check_graph(folder: Path, stage: StageCard, channels: int, graph: Graph) -> None:
    """Names, types and shapes, as far as it states them; raises `InvalidBundleError`."""
    _check_tensor(folder, stage, stage.input.name, graph.inputs, (1, 1, *stage.window))
    _check_tensor(folder, stage, stage.output.name, graph.outputs, (1, channels, *stage.window))
    others = [one.name for one in graph.inputs if one.name != stage.input.name]
    if others:
        raise InvalidBundleError(
            folder, f"{stage.artifact} wants inputs besides {stage.input.name!r}: {others}."
        )


def check_channels(shape: Sequence[int], windows: int, channels: int) -> None:
    """A graph need not state its channels; raises `InferenceError`."""
    if tuple(shape[:2]) != (windows, channels):
        raise InferenceError(
            f"The network answered with {tuple(shape[:2])} windows and channels, not "
            f"{(windows, channels)}: its bundle's card and artifact do not belong together."
        )


def run_windows(
    run: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    windows: NDArray[np.float32],
    at_once: int | None,
) -> NDArray[np.float32]:
    """What `run` answers to windows (N, z, y, x), shown `at_once` at a time, or all if None."""
    if at_once is None or len(windows) <= at_once:
        return run(windows)
    starts = range(0, len(windows), at_once)
    return np.concatenate([run(windows[start : start + at_once]) for start in starts])


def _check_tensor(
    folder: Path,
    stage: StageCard,
    name: str,
    tensors: Sequence[GraphTensor],
    wanted: tuple[int, ...],
) -> None:
    tensor = next((one for one in tensors if one.name == name), None)
    if tensor is None:
        names = ", ".join(one.name for one in tensors)
        raise InvalidBundleError(folder, f"{stage.artifact} has no tensor {name!r}, only {names}.")
    fits = len(tensor.shape) == len(wanted) and all(
        stated in (None, side) for stated, side in zip(tensor.shape, wanted, strict=True)
    )
    if not tensor.is_float32 or not fits:
        stated = ["?" if side is None else side for side in tensor.shape]
        raise InvalidBundleError(
            folder,
            f"{stage.artifact}: tensor {name!r} is {tensor.element} {stated}; "
            f"the card asks for float32 {list(wanted)}.",
        )
