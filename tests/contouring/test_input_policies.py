"""The table of checks, the code and the page say the same."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from contouring.errors import MixedPatientsError
from contouring.input_policies import INPUT_CHECKS, Policy, left_out, refusal, warning

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs" / "input-checks.md"
TABLE = "input_policies.py"
RAISING = {"refusal", "warning", "left_out"}


def the_code() -> list[tuple[str, ast.AST]]:
    """Every node of the data path besides the table."""
    return [
        (path.name, node)
        for path in sorted((REPOSITORY / "contouring").rglob("*.py"))
        if path.name != TABLE
        for node in ast.walk(ast.parse(path.read_text()))
    ]


def called(node: ast.AST) -> str:
    """The function that a node calls by its plain name."""
    return node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""


def test_no_name_stands_twice() -> None:
    """A finding has one policy."""
    names = [check.name for check in INPUT_CHECKS]

    assert len(names) == len(set(names))


def test_whatever_the_code_refuses_or_warns_of_stands_in_the_table() -> None:
    """By its slug, as the first argument."""
    names = {check.name for check in INPUT_CHECKS}
    used = {
        node.args[0].value
        for _, node in the_code()
        if called(node) in RAISING and isinstance(node.args[0], ast.Constant)  # type: ignore[attr-defined]
    }

    assert used <= names
    assert len(used) > 40


def test_whatever_the_table_promises_is_done_by_the_code() -> None:
    """A row without code would be a check that nobody makes."""
    words = {
        node.value
        for _, node in the_code()
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    promised = {check.name for check in INPUT_CHECKS if check.policy is not Policy.HANDLE}

    assert promised <= words
    assert MixedPatientsError.code in promised


def test_nothing_is_refused_past_the_table() -> None:
    """Only a refusal that was made here is passed on: of a folder's one series, or with a place."""
    refusing = {file for file, node in the_code() if called(node) == "SeriesRefusedError"}

    assert refusing == {"dicom_series.py", "volume.py"}


def test_the_page_shows_the_table() -> None:
    """Physicists read it there."""
    rows = [
        f"| `{check.name}` | {check.checked} | {check.policy} | {check.reason} |"
        for check in INPUT_CHECKS
    ]

    shown = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]

    assert shown == rows


@pytest.mark.parametrize(
    ("act", "check"),
    [
        (refusal, "uneven-spacing"),
        (warning, "missing-slice"),
        (left_out, "missing-slice"),
        (refusal, "jitter"),
        (warning, "no-such-check"),
    ],
)
def test_no_check_can_act_against_its_policy(act: object, check: str) -> None:
    """The table decides, not the place that finds the fault."""
    with pytest.raises(KeyError, match=check):
        act(check, "some text")  # type: ignore[operator]


def test_a_keyword_takes_its_place_in_the_fault() -> None:
    """One row for each kind of fault, one slug for each attribute."""
    error = refusal("no-KEYWORD", "text", "FrameOfReferenceUID")

    assert error.fault == "no-FrameOfReferenceUID"
