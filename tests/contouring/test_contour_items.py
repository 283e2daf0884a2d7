"""Contours as bytes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contouring.contours import Contour, StructureContours
from contouring.dicom_series import CTSeries
from contouring.errors import StructureSetError
from contouring.rtstruct import write_structure_set
from tests.contouring.tiny_structure_sets import (
    CORD,
    ORIGIN,
    STAMP,
    complaints,
    parsed,
    tiny_series,
)


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> CTSeries:
    """One series for all examples."""
    return tiny_series(tmp_path_factory.mktemp("ct"))


def write_contours(folder: Path, *contours: Contour) -> bytes:
    """The file with these contours of one structure."""
    series = tiny_series(folder)
    return write_structure_set(series, [StructureContours(CORD, contours, 1.0)], ORIGIN, STAMP)


def test_contour_data_is_in_micrometres_and_short(tmp_path: Path) -> None:
    """DS holds 16 bytes; some planning systems refuse one more, an exponent or a negative zero."""
    far = Contour(0, np.array([[-1234.56789, 0.0004, -0.0004], [1e-9, -0.0, 9999.9996], [1, 2, 3]]))

    content = write_contours(tmp_path, far)

    element = parsed(content).ROIContourSequence[0].ContourSequence[0]["ContourData"]
    values = [str(value) for value in element.value]
    assert [float(value) for value in values] == [-1234.568, 0, 0, 0, 0, 10000.0, 1, 2, 3]
    raw = content[content.rindex(b"-1234.568") :].split(b"\0")[0].split(b" ")[0].decode()
    assert raw.split("\\")[:6] == ["-1234.568", "0.000", "0.000", "0.000", "0.000", "10000.000"]
    assert all(len(value) <= 16 for value in raw.split("\\"))


def test_a_contour_of_more_than_64_kilobytes_is_written_whole(tmp_path: Path) -> None:
    """Explicit VR would cut it off."""
    long = Contour(0, np.random.default_rng(1).uniform(-300, 300, (9000, 3)))

    content = write_contours(tmp_path / "ct", long)

    contour = parsed(content).ROIContourSequence[0].ContourSequence[0]
    read = np.array(contour.ContourData, float).reshape(-1, 3)
    assert contour.NumberOfContourPoints == 9000
    assert np.abs(read - long.points_mm).max() <= 0.0005 + 1e-9
    assert complaints(content, tmp_path) == []


def test_the_kind_of_each_contour_is_its_own(tmp_path: Path) -> None:
    """Holes by XOR must say so, or they are filled."""
    triangle = np.array([[0.0, 0, 0], [5, 0, 0], [0, 5, 0]])
    plain, xor = Contour(0, triangle), Contour(0, triangle / 2, "CLOSEDPLANAR_XOR")

    content = write_contours(tmp_path, plain, xor)

    contours = parsed(content).ROIContourSequence[0].ContourSequence
    kinds = [contour.ContourGeometricType for contour in contours]
    assert kinds == ["CLOSED_PLANAR", "CLOSEDPLANAR_XOR"]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_contour_of_fewer_than_three_points_is_refused(tmp_path: Path, count: int) -> None:
    """It encloses nothing, and planning systems stumble over it."""
    with pytest.raises(StructureSetError, match=f"SpinalCord, contour 1 has {count} points"):
        write_contours(tmp_path, Contour(0, np.zeros((count, 3))))


@pytest.mark.parametrize("value", [np.nan, np.inf, -1e6])
def test_a_point_that_cannot_be_in_a_patient_is_refused(tmp_path: Path, value: float) -> None:
    """It has no decimals, or is longer than 16 bytes, or is a fault upstream."""
    good = np.array([[0.0, 0, 0], [5, 0, 0], [0, 5, 0]])
    bad = np.array([[0.0, 0, 0], [5, 0, 0], [0, value, 0]])

    with pytest.raises(StructureSetError, match="SpinalCord, contour 2 has a point"):
        write_contours(tmp_path, Contour(0, good), Contour(0, bad))


COORDINATES = st.lists(
    st.tuples(*[st.floats(-9e5, 9e5, allow_nan=False)] * 3), min_size=3, max_size=12
)


@given(points=COORDINATES)
def test_any_point_comes_back_to_the_micrometre(series: CTSeries, points: list[Any]) -> None:
    """However large or small, without an exponent and within 16 bytes."""
    contour = Contour(3, np.array(points))

    dataset = parsed(
        write_structure_set(series, [StructureContours(CORD, (contour,), 1.0)], ORIGIN, STAMP)
    )

    (item,) = dataset.ROIContourSequence[0].ContourSequence
    raw = item.get_item("ContourData").value
    values = raw.decode("ascii").rstrip(" ").split("\\")
    assert len(raw) % 2 == 0
    assert all(re.fullmatch(r"-?\d+\.\d{3}", value) and len(value) <= 16 for value in values)
    assert not any(re.fullmatch(r"-0\.0+", value) for value in values)
    assert np.abs(np.array(values, float) - np.ravel(points)).max() <= 0.000501
