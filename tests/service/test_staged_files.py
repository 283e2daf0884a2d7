"""What is staged is what was sent, but for the beginning that anything may stand in."""

from __future__ import annotations

from pathlib import Path

import pytest

from contouring.dicom_files import PREAMBLE
from service.staged_files import StagedFile, StagedFileWriter
from tests.hostile.attacks import PREAMBLES
from tests.hostile.crafted_dicom import write_ct

SOUND = write_ct()


def stage(folder: Path, content: bytes, size: int) -> StagedFile:
    """Written in pieces."""
    writer = StagedFileWriter(folder, len(list(folder.iterdir())), "sent")
    for start in range(0, len(content), size):
        writer.write(memoryview(content)[start : start + size])
    staged = writer.close()
    assert writer.size == len(content)
    return staged


@pytest.mark.parametrize("size", [1, 7, 131, 132, 133, 100_000])
@pytest.mark.parametrize("preamble", PREAMBLES.values(), ids=PREAMBLES)
def test_a_preamble_becomes_zeros(tmp_path: Path, preamble: bytes, size: int) -> None:
    """The object is the same, and so is the checksum by which it is known."""
    staged = stage(tmp_path, write_ct(preamble=preamble), size)

    assert staged.path.read_bytes() == SOUND
    assert staged.sha256 == stage(tmp_path, SOUND, size).sha256


@pytest.mark.parametrize("size", [1, 50, 100_000])
@pytest.mark.parametrize(
    "content", [b"", b"x", b"MZ" + bytes(200), bytes(127) + b"DICM", PREAMBLE, SOUND[:140]]
)
def test_anything_else_is_kept_as_it_is(tmp_path: Path, content: bytes, size: int) -> None:
    """A zip, or a file that is no DICOM and will be refused as such."""
    assert stage(tmp_path, content, size).path.read_bytes() == content
