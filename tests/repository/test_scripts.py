"""The scripts a new user runs first."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def scripts(repository: Path) -> list[Path]:
    return [*sorted((repository / "scripts").iterdir()), repository / ".ci" / "run"]


def test_shellcheck_finds_no_fault_in_the_scripts(
    scripts: list[Path], find_tool: Callable[[str], str]
) -> None:
    """They run on machines where nobody has read them."""
    shellcheck = find_tool("shellcheck")

    result = subprocess.run([shellcheck, *scripts], capture_output=True, text=True, check=False)

    assert (result.returncode, result.stdout) == (0, "")


def test_every_script_stops_at_its_first_error_and_is_executable(scripts: list[Path]) -> None:
    """A half-done set-up that says it succeeded is worse than one that fails."""
    careless = [path.name for path in scripts if "set -euo pipefail" not in path.read_text()]

    assert careless == []
    assert all(os.access(path, os.X_OK) for path in scripts)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--series", "no-such-folder"], "there is no folder no-such-folder"),
        (["--unknown"], "scripts/demo --series FOLDER"),
    ],
)
def test_the_demo_says_what_is_wrong_before_it_installs_anything(
    repository: Path, arguments: list[str], reason: str
) -> None:
    """A typing error must not cost a minute of set-up."""
    result = subprocess.run(
        [repository / "scripts" / "demo", *arguments], capture_output=True, text=True, check=False
    )

    assert result.returncode == 2
    assert reason in result.stderr


def test_the_set_up_refuses_a_word_it_does_not_know(repository: Path) -> None:
    """`scripts/setup tests` must not look as if it had installed the test packages."""
    result = subprocess.run(
        [repository / "scripts" / "setup", "tests"], capture_output=True, text=True, check=False
    )

    assert result.returncode == 1
    assert "unknown word 'tests'" in result.stderr
