"""The tree tells the story: small files, each named for what it makes."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

from contouring import errors

LINES_LIMIT = 350
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "base", "manager"}


def test_no_source_file_is_too_long_to_read_at_once(sources: list[Path]) -> None:
    """A file over the limit holds more than one noun."""
    lengths = {path: len(path.read_text().splitlines()) for path in sources}

    too_long = {str(path): length for path, length in lengths.items() if length > LINES_LIMIT}

    assert too_long == {}


def test_no_module_has_a_name_that_says_nothing(sources: list[Path], repository: Path) -> None:
    """A module called for what it makes is found again; `utils` is where things get lost."""
    paths = [path.relative_to(repository).with_suffix("") for path in sources]

    unnamed = [
        path for path in paths if EMPTY_NAMES & {w for p in path.parts for w in p.split("_")}
    ]

    assert unnamed == []


def test_nothing_is_printed_past_the_log(sources: list[Path]) -> None:
    """A line on standard output has no time, no job and no level."""
    prints = [
        f"{path}:{node.lineno}"
        for path in sources
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) == "print"
    ]

    assert prints == []


def test_no_package_uses_rt_utils(sources: list[Path]) -> None:
    """Its contours are half a voxel off: decision 0003; only the benchmark compares with it."""
    users = [path for path in sources if re.search(r"\brt_utils\b", path.read_text())]

    assert users == []


def test_the_service_starts_without_a_runtime(repository: Path) -> None:
    """Its image holds none, and it is started by the same command as everything else."""
    code = (
        "import sys, cli, service.app; "
        "print({'onnxruntime', 'tensorrt', 'torch', 'workers.tasks'} & set(sys.modules))"
    )

    result = subprocess.run(
        [sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True
    )

    assert result.stdout.strip() == "set()"


def test_the_drawn_tree_of_errors_is_the_real_one() -> None:
    """The drawing is what a reader trusts when writing an `except`."""
    drawn = _read_drawn_tree(errors.__doc__ or "")

    real = {
        name: kind.__bases__[0].__name__
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if kind.__module__.startswith(errors.__name__) and kind is not errors.OarlockError
    }

    assert drawn == real


def _read_drawn_tree(drawing: str) -> dict[str, str]:
    """Parent of each class, by how far its name stands to the right."""
    parents: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    for line in drawing.splitlines():
        match = re.match(r"[\s│├└─]*(\w+Error)\b", line)
        if match is None:
            continue
        name, column = match[1], match.start(1)
        above = [entry for entry in above if entry[0] < column]
        if above:
            parents[name] = above[-1][1]
        above.append((column, name))
    return parents
