"""Uploads of a site that keeps no names: a series is kept with all that it takes, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from contouring.errors import EverySeriesRefusedError
from service.context import Context, open_context
from service.identities.identity_key import make_key_file
from service.intake import Intake, take_in
from service.staged_files import StagedFileWriter
from service.uploads import SeriesFiles, Upload, UploadFields
from tests.contouring.ct_files import edit, write_tiny_series
from tests.service.identities.sites import SOURCE
from workers.early_syncs import EarlySyncs
from workers.redis_server import RedisServer
from workers.settings import Settings


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    """A service without workers."""
    key = tmp_path / "identity.key"
    make_key_file(key)
    own = tmp_path / "own"
    own.mkdir(mode=0o700)
    settings = Settings(
        data=tmp_path / "data",
        redis_url=RedisServer(tmp_path / "redis").url,
        staging=own,
        deidentify="basic",
        identity_key_file=key,
        reserve_bytes=0,
    )
    with open_context(settings) as context:
        yield context


def upload(context: Context, *files: Path) -> Intake:
    """Send files in one request."""
    with context.series.stage() as folder, EarlySyncs() as syncs:
        staged = []
        for number, file in enumerate(files):
            writer = StagedFileWriter(folder, number, file.name)
            writer.write(file.read_bytes())
            staged.append(writer.close())
        fields = UploadFields.model_validate({"model": ["commissioning"]})
        return take_in(Upload(fields, SeriesFiles(tuple(staged))), SOURCE, syncs, context)


@pytest.mark.parametrize("place", ["head", "neck"])
def test_a_slice_that_cannot_be_stored_ends_its_own_series_alone(
    tmp_path: Path, context: Context, place: str
) -> None:
    """The others of the upload are contoured, whichever comes first."""
    sent = {name: write_tiny_series(tmp_path / name, seed=name) for name in ("head", "neck")}
    edit(sent[place][-1], BurnedInAnnotation="YES")

    intake = upload(context, *sent["head"], *sent["neck"])

    assert len(intake.jobs) == 1
    ((refused),) = intake.refused
    assert (refused.fault, refused.file_count) == ("not-storable", 8)
    assert "burned into its pixels" in refused.reason
    assert refused.series_instance_uid != intake.jobs[0].series_instance_uid
    assert list_hidden(context) == []


def test_an_upload_of_nothing_that_can_be_stored_says_why(tmp_path: Path, context: Context) -> None:
    """And nothing of it stays."""
    sent = write_tiny_series(tmp_path / "ct")
    edit(sent[-1], BurnedInAnnotation="YES")

    with pytest.raises(EverySeriesRefusedError, match="burned into its pixels"):
        upload(context, *sent)

    assert list_hidden(context) == []
    assert list((context.settings.data / "instances").iterdir()) == []


def test_no_job_is_without_what_was_taken_off(
    tmp_path: Path, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash between the two would leave a job whose result nobody can give out."""
    sent = write_tiny_series(tmp_path / "ct")

    def crash(*_: object, **__: object) -> None:
        raise OperationalError("INSERT", {}, OSError("the database is gone"))

    with monkeypatch.context() as crashing:
        crashing.setattr("workers.arrival_store.enter_received", crash)
        with pytest.raises(OperationalError):
            upload(context, *sent)
    after_the_crash = context.jobs.count_by_state()

    (job,) = upload(context, *sent).jobs

    assert sum(after_the_crash.values()) == 0
    assert context.holdings.find(series=[job.series_instance_uid])
    ((arrival),) = context.arrivals.list_page(10)
    assert arrival.job_ids == (job.id,)


def list_hidden(context: Context) -> list[Path]:
    """Files that wait to be kept."""
    return list((context.settings.data / "staging").glob("hidden-*"))
