"""The page about the model format, followed to the letter."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from contouring.dicom_series import read_series
from contouring.pipeline import contour_series
from contouring.rtstruct import Stamp
from contouring.structures import Status
from models.bundles import find_bundles
from models.cascades import open_cascade
from tests.phantoms import write_small_series

PAGE = Path(__file__).resolve().parents[2] / "docs" / "model-format.md"


def test_the_pages_own_example_is_a_bundle_that_contours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stranger must be able to write a bundle from the page alone."""
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    write_small_series(tmp_path / "ct")

    exec(compile(example, str(PAGE), "exec"), {})  # noqa: S102 - our own page
    cascade = open_cascade(find_bundles([tmp_path / "my-models"])["bone"])
    result = contour_series(
        read_series(tmp_path / "ct"), cascade, Stamp(datetime(2026, 1, 1, tzinfo=UTC), "test")
    )

    (account,) = result.outputs[0].accounts
    assert (account.name, account.status) == ("Bone", Status.CONTOURED)
    assert account.volume_cm3 > 1.0
