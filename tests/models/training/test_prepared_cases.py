"""Cases prepared once, in memory or on disk."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the training extra")
pytest.importorskip("monai", reason="needs the training extra")

from models.training.cases import TrainingCase  # noqa: E402 - torch may be missing
from models.training.dataset import CaseEntry, read_dataset  # noqa: E402
from models.training.prepared_cases import (  # noqa: E402
    PrepareCase,
    PreparedCase,
    PreparedCases,
    prepare_case,
)
from tests.models.phantom_cases import (  # noqa: E402
    SPACING_ZYX_MM,
    phantom_case,
    write_phantom_dataset,
)
from tests.models.phantom_recipes import STRUCTURES, phantom_recipe  # noqa: E402


def two_orders() -> tuple[frozenset[str], frozenset[str]]:
    """Equal sets that list their names differently, as the same set does in another process.

    Two names do so where their hashes meet in one of a set's eight places: of 2016 pairs about
    250 do, whatever the process's seed of hashes.
    """
    for names in combinations([f"structure {number}" for number in range(64)], 2):
        one, other = frozenset(names), frozenset(reversed(names))
        if list(one) != list(other):
            return one, other
    raise AssertionError("no two names collide")


@pytest.mark.parametrize(("centre", "is_whole"), [("voxels", True), ("levels", False)])
def test_patches_from_any_place_of_the_scan_have_all_of_it(centre: str, is_whole: bool) -> None:
    """A network that is shown whole scans must have seen what lies far from all structures."""
    hu, labels = phantom_case("long", STRUCTURES, (40, 24, 24))
    hu, labels = (np.pad(array, ((0, 80), (0, 0), (0, 0))) for array in (hu, labels))
    case = TrainingCase("long", hu, labels, SPACING_ZYX_MM, np.ones(4, bool), STRUCTURES)

    prepared = PreparedCase(**prepare_case(case, phantom_recipe(sampling={"centre": centre})))

    assert (prepared.shape_zyx == hu.shape) == is_whole


def test_a_kept_case_is_found_again_in_another_process(tmp_path: Path) -> None:
    """A run that is broken off and goes on must not prepare and keep everything anew."""
    data = write_phantom_dataset(tmp_path / "data", ["one"], STRUCTURES)
    dataset = read_dataset(data)
    (entry,) = dataset.cases("all")
    prepare = PrepareCase(dataset, phantom_recipe())

    for drawn in two_orders():
        same = CaseEntry(entry.name, entry.image, entry.labels, drawn)
        cases = PreparedCases([same], prepare, torch.device("cpu"), tmp_path / "cache")
        assert cases[0].name == "one"

    assert len(list((tmp_path / "cache").rglob("*.pt"))) == 1
