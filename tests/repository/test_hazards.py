"""Each hazard leads to a requirement, and each requirement to a test that exists."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

WAYS = {"design", "protection", "information"}


@pytest.fixture
def rows(repository: Path) -> list[list[str]]:
    """The cells of the table, without its head."""
    page = (repository / "docs" / "hazards.md").read_text(encoding="utf-8")
    table = re.search(r"<!-- hazards: .*?-->\n(.*?)<!-- end of hazards -->", page, re.DOTALL)
    assert table is not None
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in _body(table[1])]


def _body(table: str) -> list[str]:
    return [line for line in table.splitlines()[2:] if line.strip()]


def test_every_hazard_leads_to_a_test_that_exists(rows: list[list[str]], repository: Path) -> None:
    """A requirement whose test was renamed or dropped is held by nothing."""
    assert len(rows) > 20
    for hazard, cause, requirement, way, test in rows:
        assert all((hazard, cause, requirement)), test
        assert way in WAYS, way
        file, _, name = test.partition("::")
        assert f"def {name}(" in (repository / file).read_text(encoding="utf-8"), test


def test_hazards_and_requirements_are_numbered_in_turn(rows: list[list[str]]) -> None:
    """A number that was given stays: other documents name it."""
    hazards = [int(hazard.split()[0].removeprefix("H")) for hazard, *_ in rows]
    requirements = [int(row[2].split()[0].removeprefix("R")) for row in rows]

    assert all(after - before in (0, 1) for before, after in pairwise(hazards))
    assert requirements == list(range(1, len(rows) + 1))
