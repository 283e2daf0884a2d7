"""What lies in an encrypted data folder opens where it was put, for its study, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from sqlalchemy import delete, insert

from contouring.errors import EncryptionKeyError, SealedFileError
from contouring.opened_files import count_bytes, open_file, read_file
from tests.phantoms import write_small_series
from tests.workers.backups.sites import build_result
from tests.workers.encryption.conftest import Safe
from workers.database import writing
from workers.encryption.inventory import Inventory, count_files
from workers.encryption.seal import SEAL_BYTES
from workers.encryption.vault import create_file, find_vault, forget_created
from workers.instance_files import InstanceFiles
from workers.job_store import JobStore
from workers.jobs import NewJob
from workers.result_store import ResultStore
from workers.series_store import SeriesStore
from workers.tables import results, study_keys

REPORT = b"report of the patient" * 10


def test_an_object_reads_as_it_came_and_lies_there_otherwise(
    safe: Safe, slices: list[bytes]
) -> None:
    """Whoever reads it need not know."""
    (kept,) = safe.keep(slices[0])

    assert read_file(kept) == slices[0]
    assert count_bytes(kept) == len(slices[0])
    assert slices[0][500:600] not in kept.read_bytes()
    assert kept.read_bytes()[128:132] != b"DICM"


def test_a_staged_object_opens_for_its_process_alone(safe: Safe, slices: list[bytes]) -> None:
    """What a process leaves that is killed is noise, for itself as for others."""
    staged = safe.stage(slices[0])
    readable = read_file(staged.path)

    forget_created(staged.path)  # as if its process had died

    left = read_file(staged.path)
    assert readable == slices[0]
    assert left.startswith(bytes(SEAL_BYTES))  # no key was ever there
    assert left[128:132] != b"DICM"
    assert slices[0][500:600] not in left


def test_a_staged_file_may_begin_as_an_encrypted_one(safe: Safe) -> None:
    """A sender who tries must get the answer of any file that is no DICOM."""
    (kept,) = safe.keep(pydicom_file())
    trick = kept.read_bytes()
    path = SeriesStore(safe.data).staging / "trick"
    path.write_bytes(trick)

    assert read_file(path) == trick


def pydicom_file() -> bytes:
    """A CT object."""
    content = BytesIO()
    dataset = pydicom.Dataset()
    dataset.SOPClassUID = pydicom.uid.CTImageStorage
    dataset.SOPInstanceUID, dataset.SeriesInstanceUID = "1.2.3.4.5", "1.2.3.4"
    dataset.StudyInstanceUID, dataset.Modality = "1.2.3", "CT"
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    pydicom.dcmwrite(content, dataset, enforce_file_format=True)
    return content.getvalue()


def test_files_of_two_objects_cannot_be_exchanged(safe: Safe, slices: list[bytes]) -> None:
    """Each is sound, and of the same study: but it is not what its name says."""
    first, second = safe.keep(*slices[:2])
    second.write_bytes(first.read_bytes())

    with pytest.raises(SealedFileError, match=rf"{second.name}.*belongs elsewhere"):
        open_file(second)
    assert read_file(first) == slices[0]


def test_a_result_cannot_take_another_s_place(safe: Safe) -> None:
    """An older structure set, of another attempt or job, would be delivered in a newer one's."""
    store = ResultStore(safe.data)
    files = {"generic.rtstruct.dcm": b"older" * 30, "report.json": REPORT}
    old = store.keep("job", 1, files, "1.2.3")
    new = store.keep("job", 2, {**files, "generic.rtstruct.dcm": b"newer" * 30}, "1.2.3")
    name = "generic.rtstruct.dcm"
    older, newer = store.find_file(old.folder, name), store.find_file(new.folder, name)
    newer.write_bytes(older.read_bytes())

    with pytest.raises(SealedFileError, match=r"results/job/2/generic\.rtstruct\.dcm"):
        open_file(newer)
    assert read_file(older) == b"older" * 30
    assert read_file(store.find_file(new.folder, "report.json")) == REPORT


def test_a_head_that_was_changed_is_refused(safe: Safe, slices: list[bytes]) -> None:
    """Every byte of it counts; of the magic word, the file is no DICOM any more."""
    (kept,) = safe.keep(slices[0])
    sealed = kept.read_bytes()
    for place in range(8, 116, 5):
        changed = bytearray(sealed)
        changed[place] ^= 1
        kept.write_bytes(changed)

        with pytest.raises(SealedFileError, match=kept.name):
            open_file(kept)
    kept.write_bytes(sealed)
    assert read_file(kept) == slices[0]


def test_without_the_master_key_nothing_opens_and_nothing_is_lost(
    safe: Safe, slices: list[bytes]
) -> None:
    """A server that is started without its setting must say so, not take files for damaged."""
    (kept,) = safe.keep(slices[0])

    with pytest.raises(EncryptionKeyError, match="no file is named"):
        safe.reopen(encryption_key_file=None)
    safe.vault.keys._file = None
    with pytest.raises(EncryptionKeyError, match="OARLOCK_ENCRYPTION_KEY_FILE"):
        open_file(kept)


def test_the_key_that_is_gone_ends_every_copy(safe: Safe, slices: list[bytes]) -> None:
    """With the master key and all of today's database."""
    (kept,) = safe.keep(slices[0])
    with writing(safe.engine).begin() as connection:
        connection.execute(delete(study_keys))

    safe.reopen()

    with pytest.raises(SealedFileError, match="destroyed"):
        open_file(kept)


def test_what_is_kept_comes_again_and_stays(safe: Safe, slices: list[bytes]) -> None:
    """A content is kept once, also encrypted, though it is never encrypted to the same bytes."""
    first = safe.keep(*slices)
    before = [path.stat().st_ino for path in first]

    again = safe.keep(*slices)

    assert again == first
    assert [path.stat().st_ino for path in again] == before
    assert list(SeriesStore(safe.data).staging.iterdir()) == []


def test_what_is_damaged_is_mended_when_it_comes_again(safe: Safe, slices: list[bytes]) -> None:
    """The error says so to whoever reads it."""
    (kept,) = safe.keep(slices[0])
    damaged = bytearray(kept.read_bytes())
    damaged[-30] ^= 1
    kept.write_bytes(damaged)
    with pytest.raises(SealedFileError, match="not those that were written"):
        read_file(kept)

    safe.keep(slices[0])

    assert read_file(kept) == slices[0]


def test_plain_files_from_before_are_read_and_replaced_when_they_come_again(
    safe: Safe, slices: list[bytes]
) -> None:
    """A site turns encryption on while studies are kept."""
    off = safe.reopen(encryption_key_file=None)
    plain = safe.keep(*slices[:2])
    report = ResultStore(safe.data).keep("job", 1, {"report.json": REPORT})
    off.close()
    safe.reopen()
    before = count_files(safe.data)
    readable = [read_file(path) for path in plain]

    safe.keep(slices[0])

    assert before == Inventory(encrypted=0, plain=3)
    assert readable == slices[:2]
    assert read_file(ResultStore(safe.data).find_file(report.folder, "report.json")) == REPORT
    assert count_files(safe.data) == Inventory(encrypted=1, plain=2)
    assert [read_file(path) for path in plain] == slices[:2]


def test_a_plain_result_that_is_not_the_recorded_one_is_refused(
    safe: Safe, new_job: Callable[..., NewJob]
) -> None:
    """Else whoever can write to the disk need not care for keys: a plain file would do."""
    (job,) = JobStore(safe.engine).add([new_job()])
    store, name = ResultStore(safe.data), "generic.rtstruct.dcm"
    kept = store.keep(job.id, 1, {name: b"drawn by the model"}, "1.2.3")
    row = build_result(job.id, dict(kept.files))
    with writing(safe.engine).begin() as connection:
        connection.execute(insert(results).values(row))
    path = store.find_file(kept.folder, name)

    path.write_bytes(b"drawn by somebody")
    with pytest.raises(SealedFileError, match="not encrypted"):
        open_file(path)
    path.write_bytes(b"drawn by the model")
    assert read_file(path) == b"drawn by the model"


def test_a_folder_without_a_vault_is_as_it_was(tmp_path: Path, slices: list[bytes]) -> None:
    """Commands that read a site's own folders have nothing to do with keys."""
    with create_file(tmp_path / "file") as file:
        file.write(slices[0])

    assert find_vault(tmp_path / "file") is None
    assert (tmp_path / "file").read_bytes() == slices[0] == read_file(tmp_path / "file")


def test_objects_of_many_studies_are_kept_at_once(safe: Safe, tmp_path: Path) -> None:
    """A batch of the node's holds objects of all its associations."""
    files = InstanceFiles(safe.data)
    contents = [file.read_bytes() for file in write_small_series(tmp_path / "more")]
    staged = [safe.stage(one, f"of-{number}") for number, one in enumerate(contents)]
    mixed = [replace(one, study_instance_uid=f"1.2.{n % 4}") for n, one in enumerate(staged)]

    files.keep(mixed)

    assert [read_file(files.find(one.sha256)) for one in mixed] == contents
