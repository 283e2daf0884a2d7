"""Names of persons, compared as the standard means them."""

from __future__ import annotations

from pathlib import Path

import pytest

from contouring.composition import Account
from contouring.dicom_series import find_series, read_series
from contouring.person_names import fold_name
from contouring.release_check import check_release
from contouring.rtstruct import write_structure_set
from contouring.structures import Status
from tests.contouring.ct_files import edit, write_raw, write_tiny_series
from tests.contouring.tiny_structure_sets import CORD, ORIGIN, STAMP, drawn_on

TRAILING = ["YAMADA^TARO==", "YAMADA^TARO=", "^^^==", " = = ", "DOE^JOHN^^^", "DOE^JOHN  "]


@pytest.mark.parametrize("name", TRAILING)
@pytest.mark.parametrize("keyword", ["PatientName", "ReferringPhysicianName"])
def test_a_name_with_empty_parts_at_its_end_is_no_breach(
    tmp_path: Path, keyword: str, name: str
) -> None:
    """Japanese scanners write them; file and CT are equal to the byte."""
    files = write_tiny_series(tmp_path / "ct")
    for file in files:
        write_raw(file, keyword, name.encode() + b" " * (len(name) % 2))
    series = read_series(tmp_path / "ct")
    content = write_structure_set(series, drawn_on(series, CORD), ORIGIN, STAMP)
    accounts = [Account("SpinalCord", "SpinalCord", Status.CONTOURED, "", 1.2345678, 3, 3)]

    report = check_release(content, series, {}, accounts)

    assert not [breach for breach in report.breaches if keyword in breach]


@pytest.mark.parametrize(
    ("keyword", "value", "other"),
    [("PatientName", "DOE^JOHN", "DOE^JOHN^^^"), ("PatientID", "12", " 12")],
)
def test_spellings_that_the_standard_calls_equal_are_one_patient(
    tmp_path: Path, keyword: str, value: str, other: str
) -> None:
    """Series of one study come through different systems."""
    files = write_tiny_series(tmp_path)
    for number, file in enumerate(files):
        edit(file, **{keyword: other if number % 2 else value})

    (series,) = find_series(files).series

    assert len(series.instances) == 8


def test_other_names_stay_other_names() -> None:
    """Only what a writer may leave out is left out."""
    names = ["Doe^John", "DOE^JOHN", "Doe^John^A", "Doe", "Doe=ドウ", "Doe\\Roe"]

    assert len({fold_name(name) for name in names}) == len(names)
