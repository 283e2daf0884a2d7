"""What was taken off a CT is on all that leaves: the same file as if nothing had been taken off."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from sqlalchemy import func, select

from contouring.dicom_series import read_series
from contouring.rtstruct import write_structure_set
from contouring.segmentation import write_segmentation
from contouring.template import Template
from tests.contouring.ct_files import edit, write_raw, write_tiny_series
from tests.contouring.test_rtstruct import UNUSUAL_HEADERS
from tests.contouring.tiny_structure_sets import CORD, ORIGIN, PAROTID, drawn_on
from tests.service.identities.sites import open_site, stamp_of
from tests.workers.processes import run_postgresql
from workers.instance_rows import forget_arrivals
from workers.tables import identities

OWN = ("SOPInstanceUID", "SeriesInstanceUID", "TrackingUID", "DimensionOrganizationUID")
WORSE_HEADERS: list[dict[str, Any]] = [
    {"SpecificCharacterSet": None, "PatientName": "Doe^Jane", "PatientID": "1"},
    {
        "SpecificCharacterSet": "ISO_IR 100",
        "PatientName": "Müller^Ä",
        "StudyDescription": "Schädel",
    },
]
WITH_UMLAUT = replace(CORD, name="Cord_2", description="Rückenmark")


@pytest.mark.parametrize("write", [write_structure_set, write_segmentation])
@pytest.mark.parametrize("values", [*UNUSUAL_HEADERS, *WORSE_HEADERS])
def test_a_result_is_as_if_the_worker_had_seen_the_original(
    tmp_path: Path, values: dict[str, Any], write: Any
) -> None:
    """Bit for bit, but for the UIDs that it has of its own."""
    sent = write_tiny_series(tmp_path / "ct")
    for file in sent:
        edit(file, **values)
    site = open_site(tmp_path)
    job = site.make_job(site.keep(sent))
    original, seen = read_series(tmp_path / "ct"), site.read_as_worker(job)

    made, plain = (
        write(
            *(series, drawn_on(series, CORD, PAROTID, WITH_UMLAUT), ORIGIN, stamp_of(job)),
            template=Template("generic"),
        )
        for series in (seen, original)
    )
    restored = site.restore(made, job)

    assert flatten(restored) == flatten(plain)


def test_a_name_that_no_character_set_has_comes_back_byte_for_byte(tmp_path: Path) -> None:
    """Some scanners name a character set that there is not."""
    sent = write_tiny_series(tmp_path / "ct")
    for file in sent:
        write_raw(file, "SpecificCharacterSet", b"ISO_IR 999")
        write_raw(file, "PatientName", b"M\xfcller^J\xf6rg")
    site = open_site(tmp_path)
    job = site.make_job(site.keep(sent))
    original, seen = read_series(tmp_path / "ct"), site.read_as_worker(job)

    made, plain = (
        write_structure_set(series, drawn_on(series, CORD, WITH_UMLAUT), ORIGIN, stamp_of(job))
        for series in (seen, original)
    )
    restored = site.restore(made, job)

    assert b"M\xfcller^J\xf6rg" in restored
    assert flatten(restored) == flatten(plain)


def test_a_purge_leaves_nothing_that_the_key_could_open(tmp_path: Path) -> None:
    """What was taken off goes in the transaction in which the object does."""
    site = open_site(tmp_path)
    site.keep(write_tiny_series(tmp_path / "ct"))

    with site.engine.execution_options(oarlock_writes=True).begin() as connection:
        before = connection.scalar(select(func.count()).select_from(identities))
        forget_arrivals(connection, datetime.now(UTC) + timedelta(hours=1))
        after = connection.scalar(select(func.count()).select_from(identities))

    assert (before, after) == (8, 0)


def test_postgresql_keeps_what_was_taken_off_as_well(tmp_path: Path) -> None:
    """A site with workers elsewhere has no database in a file."""
    with run_postgresql() as url:
        site = open_site(tmp_path, database_url=url)
        job = site.make_job(site.keep(write_tiny_series(tmp_path / "ct")))
        seen = site.read_as_worker(job)
        made = write_structure_set(seen, drawn_on(seen, CORD), ORIGIN, stamp_of(job))

        restored = pydicom.dcmread(
            BytesIO(open_site(tmp_path, database_url=url).restore(made, job))
        )
        shown = site.identities.reveal_job(site.jobs.find(job.id))
        site.engine.dispose()

    assert restored.PatientName == "Phantom^Oarlock"
    assert shown.series_description == "Oarlock phantom"


def flatten(content: bytes) -> str:
    """A dataset in words, without what is its own."""
    dataset = pydicom.dcmread(BytesIO(content))
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2"
    dataset.file_meta.FileMetaInformationGroupLength = 0
    for item in dataset.iterall():
        if item.keyword in OWN:
            item.value = "1.2"
    return str(dataset)
