"""What identifies an object, read from its first bytes."""

from __future__ import annotations

from pathlib import Path

from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from tests.hostile.crafted_dicom import write_element, write_sequence
from workers.instances import identify_by_head

REFERENCED_IMAGES = 0x00081140  # ahead of what identifies a series, and of any length
HEAD = (
    write_element(0x00080016, "UI", CTImageStorage.encode())
    + write_element(0x00080018, "UI", b"1.2.3")
    + write_sequence(write_element(0x00081155, "UI", b"1.2.4"), tag=REFERENCED_IMAGES)
    + write_element(0x0020000D, "UI", b"1.2.5")
    + write_element(0x0020000E, "UI", b"1.2.6")
)
BEHIND = write_element(0x00200010, "SH", b"study")


def test_a_head_that_ends_anywhere_is_not_told_for_a_failing_disk() -> None:
    """Its sender would be asked to come again, for ever: the whole file has the last word."""
    content = HEAD + BEHIND

    found = [
        identify_by_head(content[:size], ExplicitVRLittleEndian, Path("ct"), "", size)
        for size in range(len(content) + 1)
    ]

    assert found[: len(HEAD) + 1] == [None] * (len(HEAD) + 1)
    assert found[-1] is not None
    assert found[-1].series_instance_uid == "1.2.6"
