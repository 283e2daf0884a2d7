"""Whoever may write to the database and the data folder, and what must not leave then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pydicom
import pytest
from sqlalchemy import delete, select, update

from contouring.contours import StructureContours
from contouring.errors import IdentityError, TamperedIdentityError
from contouring.rtstruct import write_structure_set
from service.dicomweb.queries import Level, read_query
from service.dicomweb.search_results import find_results
from tests.contouring.ct_files import write_tiny_series
from tests.contouring.tiny_structure_sets import CORD, ORIGIN, drawn_on
from tests.service.identities.sites import Site, open_site, stamp_of
from workers.holdings import Holdings
from workers.instances import ReceivedInstance
from workers.jobs import Job
from workers.result_store import ResultStore
from workers.tables import identities, jobs, series


@dataclass(frozen=True)
class Patient:
    """One of two whose series are kept, with what a worker wrote of it."""

    kept: tuple[ReceivedInstance, ...]
    job: Job
    made: bytes


@dataclass(frozen=True)
class Ward:
    """Two patients of one site."""

    site: Site
    anna: Patient
    berta: Patient

    def restore_anna(self, made: bytes | None = None) -> bytes:
        """What would leave for Anna."""
        job = self.site.jobs.find(self.anna.job.id)
        return self.site.restore(self.anna.made if made is None else made, job)


@pytest.fixture
def ward(tmp_path: Path) -> Ward:
    """Both series are kept, and contoured."""
    site = open_site(tmp_path)
    return Ward(site, *(make_patient(site, name) for name in ("Anna", "Berta")))


def make_patient(site: Site, name: str) -> Patient:
    """A patient's series, job and structure set."""
    folder = site.folder / name
    files = write_tiny_series(folder, patient_name=name, patient_id=f"{name}-1", seed=name)
    kept = site.keep(files)
    job = site.make_job(kept)
    seen = site.read_as_worker(job)
    drawn: list[StructureContours] = drawn_on(seen, CORD)
    return Patient(kept, job, write_structure_set(seen, drawn, ORIGIN, stamp_of(job)))


def reopen(ward: Ward) -> Ward:
    """The server started anew: nothing is remembered."""
    return Ward(open_site(ward.site.folder), ward.anna, ward.berta)


def test_nothing_is_wrong_to_begin_with(ward: Ward) -> None:
    """Or the others would prove nothing."""
    assert b"Anna" in ward.restore_anna()


def swap_rows(ward: Ward) -> None:
    """Each sealed identity in the place of the other's."""
    with ward.site.engine.execution_options(oarlock_writes=True).begin() as connection:
        for one, other in zip(ward.anna.kept, ward.berta.kept, strict=True):
            query = select(identities).where(identities.c.sha256 == other.sha256)
            row = connection.execute(query).one()
            mine = update(identities).where(identities.c.sha256 == one.sha256)
            connection.execute(mine.values(uids=row.uids, header=row.header))


def swap_headers(ward: Ward) -> None:
    """The patient's alone: the UIDs still fit."""
    with ward.site.engine.execution_options(oarlock_writes=True).begin() as connection:
        for one, other in zip(ward.anna.kept, ward.berta.kept, strict=True):
            query = select(identities.c.header).where(identities.c.sha256 == other.sha256)
            mine = update(identities).where(identities.c.sha256 == one.sha256)
            connection.execute(mine.values(header=connection.scalar(query)))


def change_a_bit(ward: Ward) -> None:
    """Of one slice's."""
    mine = identities.c.sha256 == ward.anna.kept[0].sha256
    with ward.site.engine.execution_options(oarlock_writes=True).begin() as connection:
        uids = connection.scalar(select(identities.c.uids).where(mine)) or b""
        changed = uids[:-1] + bytes([uids[-1] ^ 1])
        connection.execute(update(identities).where(mine).values(uids=changed))


def remove_one(ward: Ward) -> None:
    """As a backup does that is put back in part."""
    with ward.site.engine.execution_options(oarlock_writes=True).begin() as connection:
        mine = identities.c.sha256 == ward.anna.kept[3].sha256
        connection.execute(delete(identities).where(mine))


def point_to_the_other_series(ward: Ward) -> None:
    """The job's slices become the other's."""
    with ward.site.engine.execution_options(oarlock_writes=True).begin() as connection:
        query = select(series.c.instances).where(series.c.digest == ward.berta.job.series_digest)
        mine = series.c.digest == ward.anna.job.series_digest
        values = {"instances": connection.scalar(query)}
        connection.execute(update(series).where(mine).values(**values))


def name_the_other_series(ward: Ward) -> None:
    """What the job is called is the other's, and the rest its own."""
    with ward.site.engine.execution_options(oarlock_writes=True).begin() as connection:
        mine = update(jobs).where(jobs.c.id == ward.anna.job.id)
        connection.execute(mine.values(series_description=ward.berta.job.series_description))


@pytest.mark.parametrize(
    "attack",
    [
        swap_rows,
        swap_headers,
        change_a_bit,
        remove_one,
        point_to_the_other_series,
        name_the_other_series,
    ],
)
def test_a_changed_database_keeps_a_result_from_leaving(
    ward: Ward, attack: Callable[[Ward], None]
) -> None:
    """Nothing half restored, and no other patient's."""
    attack(ward)

    with pytest.raises(IdentityError):
        reopen(ward).restore_anna()


def test_another_patients_result_does_not_leave(ward: Ward) -> None:
    """A file that somebody put in the place of the job's."""
    with pytest.raises(IdentityError, match="of another study"):
        ward.restore_anna(ward.berta.made)


def test_a_result_with_one_reference_to_another_patient_does_not_leave(ward: Ward) -> None:
    """One slice among all of the right ones."""
    (other, *_) = ward.berta.kept
    (own, *_) = ward.anna.kept
    made = edit(ward, lambda dataset: replace_uid(dataset, own.sop_instance_uid, other))

    with pytest.raises(IdentityError):
        ward.restore_anna(made)


def test_a_result_that_misses_a_slice_does_not_leave(ward: Ward) -> None:
    """All that the CT has must be referred to."""

    def drop(dataset: pydicom.Dataset) -> None:
        frame = dataset.ReferencedFrameOfReferenceSequence[0]
        scan = frame.RTReferencedStudySequence[0].RTReferencedSeriesSequence[0]
        del scan.ContourImageSequence[7]

    with pytest.raises(IdentityError, match="all of the job's slices"):
        ward.restore_anna(edit(ward, drop))


@pytest.mark.parametrize("content", [b"", b"x" * 1000, bytes(128) + b"DICM", b"damaged"])
def test_what_is_no_structure_set_does_not_leave(ward: Ward, content: bytes) -> None:
    """Whatever lies in its place."""
    with pytest.raises(TamperedIdentityError):
        ward.restore_anna(content)


def test_a_ct_with_other_pixels_does_not_leave(ward: Ward) -> None:
    """Its sender would take it for the one that it sent."""
    (one, *_) = ward.anna.kept
    path = ward.site.files.find(one.sha256)
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.write_bytes(bytes(content))
    holdings = open_holdings(ward)

    (holding,) = holdings.find(objects=[one.as_sent.sop_instance_uid])

    with pytest.raises(TamperedIdentityError, match="pixels"), holding.restored():
        pass
    assert list(ward.site.settings.staging.glob("restored-*")) == []


@pytest.mark.parametrize("attack", [remove_one, change_a_bit])
def test_what_cannot_be_told_hides_nothing_else(
    ward: Ward, attack: Callable[[Ward], None], caplog: pytest.LogCaptureFixture
) -> None:
    """A search names all others, but no series is given out with a slice less."""
    attack(ward)
    holdings = open_holdings(reopen(ward))
    sent = {one.as_sent.sop_instance_uid for one in (*ward.anna.kept, *ward.berta.kept)}
    damaged = {
        ward.anna.kept[0].as_sent.sop_instance_uid,
        ward.anna.kept[3].as_sent.sop_instance_uid,
    }

    found = find_results(read_query(Level.INSTANCE, [], {}), holdings, "http://oarlock")

    named = {one["00080018"]["Value"][0] for one in found}
    assert len(found) == len(sent) - 1
    assert sent - named < damaged
    assert caplog.text.count("is left out") == 1
    anna = ward.anna.kept[0].as_sent.series_instance_uid
    with pytest.raises(IdentityError):
        holdings.find(series=[anna])
    assert holdings.find(series=[ward.berta.kept[0].as_sent.series_instance_uid])


def test_a_search_names_what_a_damaged_header_told(ward: Ward) -> None:
    """By its UIDs, as it does for a damaged file."""
    swap_headers(ward)
    holdings = open_holdings(reopen(ward))

    found = find_results(read_query(Level.INSTANCE, [], {}), holdings, "http://oarlock")

    assert {one["00080018"]["Value"][0] for one in found} == {
        one.as_sent.sop_instance_uid for one in (*ward.anna.kept, *ward.berta.kept)
    }
    told = {one["00100010"]["Value"][0]["Alphabetic"] for one in found if "00100010" in one}
    assert told == {"Berta"}


def open_holdings(ward: Ward) -> Holdings:
    """All that the site keeps."""
    site = ward.site
    results = ResultStore(site.settings.data)
    return Holdings(site.engine, site.files, results, site.identities)


def edit(ward: Ward, change: Callable[[pydicom.Dataset], None]) -> bytes:
    """Anna's structure set after somebody was at it."""
    path = ward.site.folder / "edited.dcm"
    path.write_bytes(ward.anna.made)
    dataset = pydicom.dcmread(path)
    change(dataset)
    dataset.save_as(path)
    return path.read_bytes()


def replace_uid(dataset: pydicom.Dataset, uid: str, other: ReceivedInstance) -> None:
    """Wherever it stands."""
    for element in dataset.iterall():
        if element.VR == "UI" and element.value == uid:
            element.value = other.sop_instance_uid
