"""The picture, looked at by its pixels."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

pytest.importorskip("matplotlib", reason="needs the training extra")

from matplotlib.colors import to_rgb

from models.evaluation.box_plot import BOX, FEWEST_BOXED, MISSED, draw_box_plot
from models.evaluation.results import Evaluation
from tests.models.evaluation.made_evaluations import made_evaluation

MANY = [{"Bone": 0.5 + 0.04 * k, "Fat": 0.7} for k in range(FEWEST_BOXED)]


def pixels_of(evaluation: Evaluation, colour: str) -> NDArray[np.bool_]:
    """Where the picture has exactly this colour."""
    picture = np.array(Image.open(BytesIO(draw_box_plot(evaluation))).convert("RGB"))
    wanted = np.array([round(255 * part) for part in to_rgb(colour)])
    return np.asarray((picture == wanted).all(axis=2))


def test_quartiles_are_boxed_where_there_are_enough_cases() -> None:
    """A box around three dots pretends to know a distribution."""
    assert pixels_of(made_evaluation(MANY), BOX).sum() > 1000
    assert not pixels_of(made_evaluation(MANY[:-1]), BOX).any()


def test_what_was_not_found_is_crossed_in_every_panel() -> None:
    """Left of all Dice and right of all distances, where it counts."""
    crosses = pixels_of(made_evaluation([*MANY, {"Bone": None}]), MISSED)

    rows, columns = crosses.shape
    quarters = [
        crosses[top : top + rows // 2, left : left + columns // 2]
        for top in (0, rows // 2)
        for left in (0, columns // 2)
    ]
    assert all(quarter.any() for quarter in quarters)
    assert not pixels_of(made_evaluation(MANY), MISSED).any()


def test_more_structures_make_a_taller_picture() -> None:
    """Thirty rows in the height of two could not be read."""
    many = tuple(f"Organ{k}" for k in range(12))
    tall = draw_box_plot(made_evaluation([dict.fromkeys(many, 0.5)], structures=many))

    short = draw_box_plot(made_evaluation(MANY))

    assert Image.open(BytesIO(tall)).height > 2 * Image.open(BytesIO(short)).height
