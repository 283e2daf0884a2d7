"""What every command shares."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.console import Position, write_file
from contouring.phantom_scan import PATIENT_POSITIONS


def test_every_position_of_the_phantom_can_be_asked_for() -> None:
    """One that the command forgets is one that nobody checks."""
    assert {position.value for position in Position} == set(PATIENT_POSITIONS)


def test_a_file_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full must not cost the result of yesterday."""
    (tmp_path / "rt.dcm").write_bytes(b"yesterday")

    def fill_the_disk(_path: Path, _content: bytes) -> int:
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "write_bytes", fill_the_disk)

    with pytest.raises(OSError, match="no space"):
        write_file(tmp_path / "rt.dcm", b"today")

    assert (tmp_path / "rt.dcm").read_bytes() == b"yesterday"
