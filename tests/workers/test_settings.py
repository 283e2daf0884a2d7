"""Settings from the environment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from workers.limits import Limits
from workers.settings import MissingSettingError, Settings


def test_model_folders_are_parted_like_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads as PATH does, and an empty value is no folder."""
    monkeypatch.setenv("OARLOCK_MODELS", os.pathsep.join(["/a", "/b", ""]))

    assert Settings().model_folders == (Path("/a"), Path("/b"))
    assert Settings(models="").model_folders == ()


def test_template_folders_are_parted_likewise() -> None:
    """Both are lists of folders, so both read alike."""
    folders = os.pathsep.join(["/a", "/b"])

    assert Settings(templates=folders).template_folders == (Path("/a"), Path("/b"))


def test_default_templates_are_names_parted_by_commas() -> None:
    """As the form field has them, spaces or not."""
    assert Settings(default_templates="eclipse, monaco").default_template_names == (
        "eclipse",
        "monaco",
    )


def test_a_job_without_any_template_cannot_be_the_default() -> None:
    """It would contour for minutes and write nothing."""
    with pytest.raises(ValidationError, match="at least one template"):
        Settings(default_templates=" , ")


def test_a_plain_postgresql_url_means_the_driver_that_is_installed() -> None:
    """SQLAlchemy would otherwise look for one that is not."""
    settings = Settings(database_url="postgresql://host/jobs")

    assert settings.sql_url == "postgresql+psycopg://host/jobs"


def test_without_a_url_the_jobs_are_in_the_data_folder(tmp_path: Path) -> None:
    """One folder holds everything of one machine."""
    assert Settings(data=tmp_path).sql_url == f"sqlite:///{tmp_path}/oarlock.sqlite"


def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compositions pass variables on that nobody has set."""
    monkeypatch.setenv("OARLOCK_REDIS_URL", "")

    assert Settings().redis_url is None


def test_a_missing_queue_is_explained() -> None:
    """A worker alone has no queue to guess."""
    with pytest.raises(MissingSettingError, match="OARLOCK_REDIS_URL is not set"):
        Settings(redis_url=None).require_redis_url()


def test_the_phantoms_model_cannot_be_the_default() -> None:
    """A patient sent without a model must never be contoured with it."""
    with pytest.raises(ValidationError, match="phantom alone"):
        Settings(default_model="commissioning")


def test_nothing_is_read_ahead_where_a_job_may_not_lose_its_process_once() -> None:
    """It might lose it to a series that is not its own."""
    settings = Settings(prefetch_bytes=1000)

    assert settings.read_ahead_bytes == 1000
    assert settings.model_copy(update={"child_deaths_limit": 1}).read_ahead_bytes == 0


def test_every_limit_of_dicom_files_can_be_set() -> None:
    """Each setting reaches the gate, and each of the gate's limits has one."""
    names = [name for name in Limits.model_fields if name.startswith(("dicom_", "deflate"))]
    values = {name: number for number, name in enumerate(names, start=7)}

    limits = Settings(**values).dicom_limits

    assert sorted(vars(limits).values()) == sorted(values.values())
