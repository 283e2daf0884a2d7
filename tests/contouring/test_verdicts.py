"""One verdict for each series."""

from __future__ import annotations

from pathlib import Path

import pytest

from contouring.errors import NotDicomError
from contouring.verdicts import Outcome, judge_files
from tests.contouring.ct_files import edit, names_of, write_tiny_series


def test_a_sound_series_is_accepted(tmp_path: Path) -> None:
    """With nothing to add."""
    files = write_tiny_series(tmp_path, series_description="Neck")

    (verdict,) = judge_files(files).verdicts

    assert verdict.outcome == Outcome.ACCEPTED
    assert (verdict.description, verdict.slice_count) == ("Neck", 8)
    assert (verdict.warnings, verdict.refusal) == ((), None)


def test_every_series_of_a_study_has_a_verdict_of_its_own(tmp_path: Path) -> None:
    """By headers and by pixels; what is no slice is named."""
    missing, damaged, warned = (
        write_tiny_series(tmp_path / name, seed=name, series_description=f"Scan {name}")
        for name in ("a", "b", "c")
    )
    edit(damaged[4], PixelData=b"\0" * 10)
    edit(warned[4], LossyImageCompression="01")
    note = tmp_path / "note.txt"
    note.write_text("no image")

    judgement = judge_files([*missing[:3], *missing[4:], *damaged, *warned, note])

    assert [verdict.outcome for verdict in judgement.verdicts] == [
        "refused",
        "refused",
        "accepted-with-warnings",
    ]
    assert [verdict.slice_count for verdict in judgement.verdicts] == [7, 8, 8]
    assert [verdict.description for verdict in judgement.verdicts] == ["Scan a", "Scan b", "Scan c"]
    refusals = [verdict.refusal for verdict in judgement.verdicts if verdict.refusal]
    assert names_of(refusals) == ["missing-slice", "truncated-pixels"]
    assert "CT0005.dcm" in refusals[1].text
    assert names_of(judgement.verdicts[2].warnings) == ["lossy-compression"]
    assert judgement.ignored == ("note.txt: not a DICOM file",)


def test_warnings_of_the_header_stay_when_pixels_refuse(tmp_path: Path) -> None:
    """The sender mends both at once."""
    files = write_tiny_series(tmp_path)
    edit(files[3], LossyImageCompression="01")
    edit(files[4], PixelData=b"\0" * 10)

    (verdict,) = judge_files(files).verdicts

    assert names_of(verdict.warnings) == ["lossy-compression"]
    assert verdict.refusal is not None


def test_progress_runs_once_over_all_series(tmp_path: Path) -> None:
    """One bar for the folder."""
    heard: list[float] = []
    files = write_tiny_series(tmp_path / "a") + write_tiny_series(tmp_path / "b", seed="other")

    judge_files(files, done=heard.append)

    assert heard == pytest.approx([k / 16 for k in range(1, 17)])


def test_files_are_called_what_their_sender_called_them(tmp_path: Path) -> None:
    """A server keeps them under names of its own."""
    file = tmp_path / "0001"
    file.write_bytes(b"hello")

    with pytest.raises(NotDicomError, match=r"holiday\.jpg"):
        judge_files([file], {file: "holiday.jpg"})


def test_pixels_are_told_by_their_senders_names_too(tmp_path: Path) -> None:
    """They are read from the stored file, long after its name was given."""
    files = write_tiny_series(tmp_path)
    edit(files[4], PixelData=b"\0" * 10)

    (verdict,) = judge_files(files, {files[4]: "export/IM5"}).verdicts

    assert verdict.refusal is not None
    assert "export/IM5" in verdict.refusal.text
    assert files[4].name not in verdict.refusal.text


def test_a_description_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    """The verdict must come all the same: here it is said to be a number of eight bytes."""
    files = write_tiny_series(tmp_path, series_description="Neck")
    del files[3]
    for file in files:
        content = file.read_bytes()
        start = content.index(b"\x08\x00\x3e\x10LO")
        file.write_bytes(content[: start + 4] + b"FD" + content[start + 6 :])

    (verdict,) = judge_files(files).verdicts

    assert (verdict.outcome, verdict.description) == (Outcome.REFUSED, "")
