"""What of a series is odd but faithful: it is taken, and told where somebody must know."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from contouring.dicom_series import find_series
from tests.contouring.ct_files import TINY_SCAN, copy, edit, names_of, write_raw, write_tiny_series
from tests.phantoms import write_small_series


def test_a_file_that_was_sent_twice_is_dropped_with_a_warning(tmp_path: Path) -> None:
    """Senders repeat themselves; the bytes say that nothing differs."""
    files = write_tiny_series(tmp_path)

    (series,) = find_series([*files, copy(files[2], "again.dcm")]).series

    assert len(series.instances) == 8
    assert [str(notice) for notice in series.warnings] == [
        "repeated-file: 1 repeated files were dropped."
    ]


def test_rows_and_columns_apart_differently_keep_their_order(tmp_path: Path) -> None:
    """PixelSpacing names the distance between rows first."""
    scan = replace(TINY_SCAN, row_spacing_mm=1.5, column_spacing_mm=0.75)
    files = write_small_series(tmp_path, scan=scan)

    (series,) = find_series(files).series

    assert series.grid.pixel_spacing_mm == (1.5, 0.75)
    assert series.grid.axes_mm[1][-1] == pytest.approx(17 * 1.5)
    assert series.grid.axes_mm[2][-1] == pytest.approx(21 * 0.75)


@pytest.mark.parametrize("kind", [None, "", "HU", "HU "])
def test_a_rescale_type_that_is_not_written_means_hounsfield(
    tmp_path: Path, kind: str | None
) -> None:
    """The standard asks for it only where it is something else."""
    files = write_tiny_series(tmp_path)
    edit(files[4], RescaleType=kind)

    (series,) = find_series(files).series

    assert series.warnings == ()


@pytest.mark.parametrize(
    ("values", "name", "text"),
    [
        ({"RescaleType": "US"}, "unspecified-rescale", "CT0003.dcm does not say"),
        ({"ConvolutionKernel": "B70f"}, "mixed-reconstruction", "ConvolutionKernel: , B70f"),
        ({"KVP": 80}, "mixed-reconstruction", "Slices differ in KVP: 120"),
        ({"ContrastBolusAgent": "Iodine"}, "contrast-agent", "(Iodine)"),
        ({"ImagesInAcquisition": 9}, "incomplete-acquisition", "9 images; 8 are here"),
        ({"SpecificCharacterSet": "ISO_IR 999"}, "unknown-character-set", "ISO_IR 999"),
    ],
)
def test_oddities_are_taken_with_a_warning(
    tmp_path: Path, values: dict[str, object], name: str, text: str
) -> None:
    """Each may be fine; whoever reads the contours must know."""
    files = write_tiny_series(tmp_path)
    edit(files[2 if name != "unknown-character-set" else 0], **values)

    (series,) = find_series(files).series

    assert names_of(series.warnings) == [name]
    assert text in series.warnings[0].text


@pytest.mark.parametrize("promised", ["", "8", "3"])
def test_as_many_images_as_were_promised_are_enough(tmp_path: Path, promised: str) -> None:
    """Some scanners count each turn of the gantry."""
    files = write_tiny_series(tmp_path)
    for file in files:
        edit(file, ImagesInAcquisition=promised)

    (series,) = find_series(files).series

    assert series.warnings == ()


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ("ISO_IR 100", "Müller^Jörg"),
        ("ISO_IR 144", "Люкceмбypг"),
        ("ISO_IR 192", "Ямада^太郎"),
        ("GB18030", "王^小东"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎"),
        (None, "Doe^Jane"),
    ],
    ids=str,
)
def test_names_in_any_character_set_of_the_standard_are_taken(
    tmp_path: Path, charset: object, name: str
) -> None:
    """They are copied into the structure set, where they must be the same person's."""
    files = write_tiny_series(tmp_path)
    for file in files:
        edit(file, SpecificCharacterSet=charset, PatientName=name)

    (series,) = find_series(files).series

    assert str(series.header.PatientName) == name
    assert series.warnings == ()


def test_spacing_that_was_rounded_on_the_way_is_one_spacing(tmp_path: Path) -> None:
    """0.9766 for 0.976562: 0.02 mm over 512 pixels."""
    files = write_tiny_series(tmp_path)
    for number, file in enumerate(files):
        edit(file, PixelSpacing=[0.9766, 0.9766] if number % 2 else [0.976562, 0.976562])

    (series,) = find_series(files).series

    assert len(series.instances) == 8


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("120.0", []),
        ("140", ["mixed-reconstruction"]),
        ("high", ["mixed-reconstruction"]),
    ],
)
def test_another_tube_voltage_is_told_however_it_is_written(
    tmp_path: Path, value: str, expected: list[str]
) -> None:
    """120 and 120.0 kV are one."""
    files = write_tiny_series(tmp_path)
    write_raw(files[3], "KVP", value.encode() + b" " * (len(value) % 2))

    (series,) = find_series(files).series

    assert [notice.name for notice in series.warnings] == expected


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize(("value", "expected"), [(1024, ["padding-in-tissue"]), (0, [])])
def test_padding_that_is_a_value_of_tissue_is_told(
    tmp_path: Path, syntax: UID, value: int, expected: list[str]
) -> None:
    """1024 is water where the intercept is -1024: all of it would read as air."""
    files = write_tiny_series(tmp_path)
    dataset = pydicom.dcmread(files[3])
    dataset.add_new("PixelPaddingValue", "US", value)
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(files[3], implicit_vr=syntax.is_implicit_VR, little_endian=True)

    (series,) = find_series(files).series

    assert [notice.name for notice in series.warnings] == expected
