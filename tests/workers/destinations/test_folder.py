"""A structure set put into a watched folder: whole under its name, or not there."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from contouring.errors import DeliveryError
from workers.destinations.folder import FolderReceiver
from workers.destinations.parcels import Parcel


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder."""
    folder = tmp_path / "watched"
    folder.mkdir()
    return folder


def names_in(folder: Path) -> list[str]:
    """Every name in a folder."""
    return sorted(path.name for path in folder.iterdir())


def test_it_is_there_under_its_uid_and_nothing_else_is(folder: Path, parcel: Parcel) -> None:
    """Whoever watches may take it the moment it has its name."""
    note = FolderReceiver(folder).send(parcel)

    file = folder / f"{parcel.sop_instance_uid}.dcm"
    assert (note, names_in(folder)) == ("", [file.name])
    assert file.read_bytes() == parcel.file.read_bytes()


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
def test_it_can_be_read_by_whom_the_site_says(folder: Path, parcel: Parcel, mode: int) -> None:
    """Another program takes it away, as another user perhaps; the server's umask lets nobody."""
    before = os.umask(0o077)
    try:
        FolderReceiver(folder, mode=mode).send(parcel)
    finally:
        os.umask(before)

    (file,) = folder.iterdir()
    assert file.stat().st_mode & 0o777 == mode


def test_the_same_again_is_a_success(folder: Path, parcel: Parcel) -> None:
    """An earlier try wrote it and died."""
    receiver = FolderReceiver(folder)
    receiver.send(parcel)

    assert receiver.send(parcel) == "it was there already."


def test_another_file_of_that_name_is_left_alone(folder: Path, parcel: Parcel) -> None:
    """It is somebody's."""
    file = folder / f"{parcel.sop_instance_uid}.dcm"
    file.write_bytes(b"another")

    with pytest.raises(DeliveryError, match="other contents"):
        FolderReceiver(folder).send(parcel)

    assert file.read_bytes() == b"another"


def test_its_name_follows_the_pattern(folder: Path, parcel: Parcel) -> None:
    """What a template's name may hold never leads out of the folder."""
    receiver = FolderReceiver(folder, "RS_{template}_{sop_instance_uid}_{job_id}.dcm")

    receiver.send(replace(parcel, template="../up"))

    assert names_in(folder) == [f"RS_.._up_{parcel.sop_instance_uid}_{parcel.job_id}.dcm"]


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path, parcel: Parcel) -> None:
    """A share that is not mounted would be filled in beside it, unseen."""
    receiver = FolderReceiver(tmp_path / "share" / "out")

    for attempt in (lambda: receiver.send(parcel), receiver.probe):
        with pytest.raises(DeliveryError, match="is its share mounted"):
            attempt()


def test_a_place_that_is_no_folder_is_told(tmp_path: Path, parcel: Parcel) -> None:
    """With the system's word for it."""
    file = tmp_path / "file"
    file.touch()

    with pytest.raises(DeliveryError, match=r"cannot be written to \(Not a directory\)"):
        FolderReceiver(file).send(parcel)


def test_a_write_that_fails_leaves_nothing(folder: Path, parcel: Parcel) -> None:
    """Not even under another name."""
    parcel.file.unlink()
    parcel.file.mkdir()

    with pytest.raises(DeliveryError):
        FolderReceiver(folder).send(parcel)

    assert names_in(folder) == []


def test_a_probe_leaves_nothing(folder: Path) -> None:
    """The file that it tries with has no name that anybody watches for."""
    assert FolderReceiver(folder).probe() == "a file can be written there."
    assert names_in(folder) == []
