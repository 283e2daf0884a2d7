"""A study has so many CT series and no more, whichever way and in how many requests they come."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest
from fastapi.testclient import TestClient

from service.admission import judge
from service.app import create_app
from service.context import Context, open_context
from service.identities.identity_key import make_key_file
from tests.keys import SHOWN
from tests.service.answers import expect_problem
from tests.workers.arriving import PACS, receive
from workers.arrival_store import ArrivalStore
from workers.arrivals import ArrivalState, Verdict
from workers.content_hash import ContentHash
from workers.instances import identify
from workers.reception import Reception
from workers.redis_server import RedisServer
from workers.settings import Settings

DAY = 86_400
EDGE = [(198, True), (199, True), (200, False)]  # series that came before


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A site whose PACS is done as soon as it pauses."""
    sources, rules = tmp_path / "sources.yaml", tmp_path / "rules.yaml"
    sources.write_text("format: 1\nsources: [{name: pacs, address: 10.0.0.5, quiet_seconds: 0}]\n")
    rules.write_text("format: 1\ndefault: {model: commissioning, templates: [generic]}\n")
    return Settings(
        data=tmp_path / "data",
        redis_url=RedisServer(tmp_path / "redis").url,
        sources=sources,
        rules=rules,
        reserve_bytes=0,
    )


@pytest.fixture
def context(settings: Settings) -> Iterator[Context]:
    """Its service, without the thread that judges."""
    settings.data.mkdir()
    with open_context(settings) as context:
        yield context


@pytest.fixture
def unnamed(settings: Settings, tmp_path: Path) -> Settings:
    """The same site, which takes patients off what it keeps."""
    (tmp_path / "own").mkdir(mode=0o700)
    make_key_file(tmp_path / "identity.key")
    asked = {"deidentify": "basic", "identity_key_file": tmp_path / "identity.key"}
    return settings.model_copy(update=asked | {"staging": tmp_path / "own"})


def bring_before(
    arrivals: ArrivalStore, count: int, study: str, project: str | None = None
) -> None:
    """Other series of a study, which are still on their way."""
    coming = [
        replace(one, study_instance_uid=study)
        for number in range(count)
        for one in receive([1], series=f"1.2.3.{number}")
    ]
    arrivals.note(replace(PACS, project=project), coming, DAY)


def send(context: Context, files: list[Path]) -> Verdict:
    """The verdict on a series that comes object by object."""
    staged = []
    with context.series.stage() as folder:
        for file in files:
            content = ContentHash()
            content.update(file.read_bytes())
            copy = Path(shutil.copy(file, folder / file.name))
            staged.append(context.identities.hide(identify(copy, content.hexdigest())))
        reception = Reception(context.instances, context.arrivals, PACS, 0)
        reception.keep(staged)
        reception.end()
    uid = staged[0].series_instance_uid
    (arrival,) = [
        one for one in context.arrivals.find_receiving() if one.series_instance_uid == uid
    ]
    claimed = context.arrivals.claim(arrival)
    assert claimed is not None
    verdict = judge(claimed, context)
    assert isinstance(verdict, Verdict)
    context.arrivals.close(claimed, verdict)
    return verdict


@pytest.mark.parametrize(("before", "is_taken"), EDGE)
def test_a_study_takes_two_hundred_series_object_by_object(
    context: Context, series: list[Path], before: int, is_taken: bool
) -> None:
    """The one that began after them is refused, and those that it was too much for are not."""
    study = str(pydicom.dcmread(series[0]).StudyInstanceUID)
    bring_before(context.arrivals, before, study)

    verdict = send(context, series)

    assert (verdict.state is ArrivalState.ACCEPTED) == is_taken, verdict
    assert (verdict.fault == "upload-too-large") == (not is_taken)


def test_other_studies_other_projects_and_what_is_no_ct_count_for_nothing(
    context: Context, series: list[Path]
) -> None:
    """A study of a PET-CT has many other series, and what another project has is not told."""
    study = str(pydicom.dcmread(series[0]).StudyInstanceUID)
    bring_before(context.arrivals, 300, "1.2.3.4.5")
    bring_before(context.arrivals, 300, study, project="another")
    other = [
        replace(one, study_instance_uid=study, modality="MR")
        for number in range(300)
        for one in receive([1], series=f"1.2.4.{number}")
    ]
    context.arrivals.note(PACS, other, DAY)

    assert send(context, series).state is ArrivalState.ACCEPTED


def test_a_series_that_comes_again_is_not_one_more(context: Context, series: list[Path]) -> None:
    """Also where others came after it."""
    study = str(pydicom.dcmread(series[0]).StudyInstanceUID)
    bring_before(context.arrivals, 199, study)
    first = send(context, series)
    late = [replace(one, study_instance_uid=study) for one in receive([1], series="1.2.9")]
    context.arrivals.note(PACS, late, DAY)

    again = send(context, series)

    assert (first.state, again.state) == (ArrivalState.ACCEPTED, ArrivalState.ACCEPTED)


@pytest.mark.parametrize(("before", "is_taken"), EDGE)
def test_a_study_takes_two_hundred_series_by_upload(
    settings: Settings, series: list[Path], before: int, is_taken: bool
) -> None:
    """Those that came before count, too."""
    settings.data.mkdir()
    study = str(pydicom.dcmread(series[0]).StudyInstanceUID)
    with open_context(settings) as context:
        bring_before(context.arrivals, before, study)
    files = [("files", (file.name, file.read_bytes())) for file in series]

    with TestClient(create_app(settings), headers=SHOWN) as client:
        answer = client.post("/v1/jobs", files=files, data={"model": "commissioning"})

    if is_taken:
        assert answer.status_code == 202, answer.text
    else:
        expect_problem(answer, 413, "upload-too-large", "The study", "200 series")


@pytest.mark.parametrize(("before", "is_taken"), EDGE[1:])
def test_a_site_that_takes_patients_off_counts_them_object_by_object(
    unnamed: Settings, series: list[Path], before: int, is_taken: bool
) -> None:
    """Its database knows the study by another UID than its senders."""
    unnamed.data.mkdir()
    study = str(pydicom.dcmread(series[0]).StudyInstanceUID)
    with open_context(unnamed) as context:
        bring_before(context.arrivals, before, context.identities.hide_uid(study))

        verdict = send(context, series)

    assert (verdict.fault == "upload-too-large") == (not is_taken), verdict


@pytest.mark.parametrize(("before", "is_taken"), EDGE[1:])
def test_a_site_that_takes_patients_off_counts_them_by_upload(
    unnamed: Settings, series: list[Path], before: int, is_taken: bool
) -> None:
    """The same of what comes at once."""
    unnamed.data.mkdir()
    study = str(pydicom.dcmread(series[0]).StudyInstanceUID)
    with open_context(unnamed) as context:
        bring_before(context.arrivals, before, context.identities.hide_uid(study))
    files = [("files", (file.name, file.read_bytes())) for file in series]

    with TestClient(create_app(unnamed), headers=SHOWN) as client:
        answer = client.post("/v1/jobs", files=files, data={"model": "commissioning"})

    assert answer.status_code == (202 if is_taken else 413), answer.text
