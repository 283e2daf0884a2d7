"""The released model on scans that do not show its part of the body."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from contouring.dicom_series import read_series
from contouring.errors import NothingFoundError
from contouring.pipeline import contour_series
from contouring.rtstruct import Stamp
from models.bundles import RELEASED, read_bundle
from models.cascades import open_cascade
from tests.phantoms import SMALL_SCAN, write_small_series


@pytest.mark.parametrize("position", ["HFS", "FFP"])
def test_a_phantom_has_none_of_a_patient_s_organs(tmp_path: Path, position: str) -> None:
    """Bright shapes in a round body are no head: each organ is told of as not in this scan."""
    write_small_series(tmp_path, scan=replace(SMALL_SCAN, position=position))
    cascade = open_cascade(read_bundle(RELEASED / "hn-oar"), threads=1)
    stamp = Stamp(datetime(2026, 1, 1, tzinfo=UTC), "test")

    with pytest.raises(NothingFoundError) as stopped:
        contour_series(read_series(tmp_path), cascade, stamp)

    names = ", ".join(structure.name for structure in cascade.structures)
    assert f"Not in this scan: {names}." in str(stopped.value)
