"""`oarlock commission` writes what a physicist signs and imports."""

from __future__ import annotations

from pathlib import Path

from tests.cli.shell import run


def test_a_report_and_what_to_import_are_written(tmp_path: Path) -> None:
    """One position for one template here; without options it is all of both."""
    done = run("commission", tmp_path / "out", "--position", "FFP", "--template", "eclipse")

    assert (done.returncode, done.stderr) == (0, "")
    assert f"Every limit holds: see {tmp_path / 'out' / 'report.html'}." in done.stdout
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["FFP", "report.html"]
    assert (tmp_path / "out" / "FFP" / "eclipse.rtstruct.dcm").is_file()
    assert len(list((tmp_path / "out" / "FFP" / "ct").glob("*.dcm"))) > 10
    text = (tmp_path / "out" / "report.html").read_text()
    assert "A partial run. Not tested were patient positions: HFS, HFP" in text
    assert "templates: generic, monaco" in text


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    """Old files beside new ones would be imported with them."""
    (tmp_path / "old.dcm").write_bytes(b"old")

    failed = run("commission", tmp_path)

    assert failed.returncode == 2
    assert "not empty" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["old.dcm"]
