"""A structure that failed is told by the exit code, too: scripts read nothing else."""

from __future__ import annotations

from pathlib import Path

from tests.cli.test_commands import run
from tests.phantoms import write_small_series

TEMPLATE = """
format: 1
name: own
structures: [{source: Sphere30}, {source: Liver}]
"""


def test_contour_leaves_with_3_and_names_what_failed(tmp_path: Path) -> None:
    """The file holds the others: the person at the terminal decides."""
    write_small_series(tmp_path / "ct")
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "own.yaml").write_text(TEMPLATE)

    partial = run(
        *("contour", tmp_path / "ct", "--model", "commissioning", "--template", "own"),
        *("--output", tmp_path / "rt.dcm"),
        OARLOCK_TEMPLATES=str(tmp_path / "templates"),
    )

    assert partial.returncode == 3, partial.stderr
    assert "Liver (The model does not draw Liver)" in partial.stderr
    assert (tmp_path / "rt.dcm").exists()
