"""A small CT series on disk, and the ways to spoil it."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pydicom
import pytest
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from contouring.dicom_series import SeriesSearch, find_series
from contouring.notices import Notice
from contouring.phantom_scan import even_offsets
from contouring.phantom_series import SeriesHeader
from tests.phantoms import SMALL_SCAN, write_small_series

TINY_SCAN = replace(SMALL_SCAN, rows=18, columns=22, slice_offsets_mm=even_offsets(8, 2.5))
REAL_FILES = Path(__file__).resolve().parents[3] / "shared" / "dicom"


def write_tiny_series(folder: Path, **header: Any) -> list[Path]:
    """Eight slices of 18 x 22 pixels, 2.5 mm apart."""
    return write_small_series(folder, scan=TINY_SCAN, header=SeriesHeader(**header))


def edit(file: Path, **values: Any) -> None:
    """Set attributes of a file; None takes one away."""
    dataset = pydicom.dcmread(file)
    for keyword, value in values.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    dataset.save_as(file)


def write_raw(file: Path, keyword: str, value: bytes, vr: str = "") -> None:
    """Set an attribute to bytes that pydicom would refuse to write; `vr`: another one than its."""
    dataset = pydicom.dcmread(file)
    tag = Tag(tag_for_keyword(keyword) or 0)
    element = RawDataElement(tag, vr or dictionary_VR(tag), len(value), value, 0, False, True)
    dataset._dict[tag] = element
    dataset.save_as(file)


def move(file: Path, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> None:
    """Shift a slice in the patient, mm."""
    position = pydicom.dcmread(file).ImagePositionPatient
    shifts = (x, y, z)
    edit(
        file, ImagePositionPatient=[round(p + d, 4) for p, d in zip(position, shifts, strict=True)]
    )


def names_of(notices: Iterable[Notice]) -> list[str]:
    """The slugs of warnings."""
    return [notice.name for notice in notices]


def copy(file: Path, name: str) -> Path:
    """The same bytes under another name."""
    return Path(shutil.copy(file, file.with_name(name)))


def the_refusal(files: Sequence[Path]) -> tuple[str, str]:
    """Fault and reason of the one refused series; nothing else was found."""
    search: SeriesSearch = find_series(files)
    assert search.series == ()
    (refused,) = search.refused
    return refused.fault, refused.reason


def unzip_real(name: str, folder: Path) -> list[Path]:
    """Files of a real scanner that lie beside the repository."""
    archive = REAL_FILES / name
    if not archive.is_file():
        pytest.skip(f"{name} is not at {REAL_FILES}")
    with ZipFile(archive) as zipped:
        zipped.extractall(folder)
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]
