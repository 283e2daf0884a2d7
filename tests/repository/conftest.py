"""What the tests about the repository ask for."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PACKAGES = ("cli", "service", "workers", "models", "contouring")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The repository's root."""
    return Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def sources(repository: Path) -> list[Path]:
    """Every Python file that ships."""
    return sorted(path for package in PACKAGES for path in (repository / package).rglob("*.py"))


@pytest.fixture(scope="session")
def find_tool() -> Callable[[str], str]:
    """Where a program is: in this virtual environment, or on the machine."""

    def find(name: str) -> str:
        search = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        path = shutil.which(name, path=search)
        if path is None:
            pytest.skip(f"{name} is not installed: run scripts/setup test")
        return path

    return find
