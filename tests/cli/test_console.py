"""What every command shares."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cli.app import COMMANDS, load_command
from cli.console import Position, write_file
from contouring.phantom_scan import PATIENT_POSITIONS
from tests.cli.shell import run


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


def test_every_command_can_be_asked_for_by_its_name() -> None:
    """Each is loaded when it is asked for, and help shows them all."""
    shown = run("--help", COLUMNS="120").stdout

    for name in COMMANDS:
        assert f"│ {name} " in shown
        assert load_command(name).name == name


def test_a_command_loads_only_what_it_needs() -> None:
    """Listing templates takes no database, no queue and no network."""
    code = (
        "import sys; from cli import main; sys.argv = ['oarlock', 'templates']\n"
        "try: main()\n"
        "finally: print(*sys.modules)"
    )

    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()

    assert "cli.templates" in loaded
    assert not {"sqlalchemy", "redis", "httpx", "scipy", "pynetdicom"} & set(loaded)
