"""Files read the same whichever way they are opened."""

from __future__ import annotations

from collections.abc import Iterator
from io import BufferedReader, BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_files

from contouring import opened_files
from contouring.dicom_gate import DicomLimits, check_file
from contouring.errors import DicomLimitError
from contouring.opened_files import (
    FileContent,
    count_bytes,
    drop_opener,
    looking_at,
    open_file,
    read_file,
    use_opener,
)

NARROW = DicomLimits(depth=1, elements=60, items=4, value_bytes=200, side=200, frames=2)
FILES = sorted(name for name in get_testdata_files("*.dcm") if Path(name).stat().st_size < 2**20)


def open_from_memory(path: Path) -> BufferedReader:
    """As a keeper does whose files cannot be mapped."""
    return BufferedReader(BytesIO(path.read_bytes()))  # type: ignore[arg-type]  # reads like one


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Path]:
    """A folder that somebody opens otherwise, and of which nothing is ever read at once."""
    use_opener(tmp_path, open_from_memory)
    yield tmp_path
    drop_opener(tmp_path, open_from_memory)


def judge(path: Path, limits: DicomLimits) -> str:
    """What the gate says of a file; empty if it passes."""
    try:
        check_file(path, limits, "it")
    except DicomLimitError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("whole_bytes", [0, 2**24])
@pytest.mark.parametrize("limits", [DicomLimits(), NARROW], ids=["usual", "narrow"])
def test_the_gate_judges_the_same_where_files_cannot_be_mapped(
    limits: DicomLimits, whole_bytes: int, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of every file that comes with pydicom: an encrypted server must refuse what others refuse."""
    monkeypatch.setattr(opened_files, "WHOLE_BYTES", whole_bytes)
    verdicts = {}
    for name in FILES:
        copy = kept / "file"
        copy.write_bytes(Path(name).read_bytes())
        verdicts[name] = (judge(Path(name), limits), judge(copy, limits))

    differing = {name: both for name, both in verdicts.items() if both[0] != both[1]}
    assert len(verdicts) > 50
    assert differing == {}
    assert limits != NARROW or sum(bool(plain) for plain, _ in verdicts.values()) > 20


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=300), st.binary(min_size=1, max_size=4), st.integers(0, 300), st.data())
def test_a_file_s_content_is_that_of_its_bytes(
    content: bytes, wanted: bytes, start: int, data: st.DataObject
) -> None:
    """Looked at in slices, and searched."""
    stop = data.draw(st.integers(0, 400))

    seen = FileContent(BufferedReader(BytesIO(content)))  # type: ignore[arg-type]

    assert len(seen) == len(content)
    assert seen[start:stop] == content[start:stop]
    assert seen.find(wanted, start, stop) == content.find(wanted, start, stop)


def test_what_is_sought_may_lie_across_two_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A large file is searched piece by piece."""
    monkeypatch.setattr(opened_files, "FIND_BYTES", 3)
    content = b"abcabdabe" * 3

    seen = FileContent(BufferedReader(BytesIO(content)))  # type: ignore[arg-type]

    for wanted in (b"abd", b"dabe", b"eabc", b"abx"):
        assert seen.find(wanted, 1, len(content)) == content.find(wanted, 1)


def test_an_opener_is_asked_for_its_own_folder_alone(
    kept: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """And no longer once it is dropped; another one that took its place stays."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for folder in (kept, elsewhere):
        (folder / "file").write_bytes(b"content")
    with open_file(kept / "file") as mine, open_file(elsewhere / "file") as other:
        kinds = [type(mine.raw).__name__, type(other.raw).__name__]
    drop_opener(kept, open_file)  # not the one that is in use
    with open_file(kept / "file") as mine:
        kinds.append(type(mine.raw).__name__)
    drop_opener(kept, open_from_memory)
    with open_file(kept / "file") as mine, looking_at(mine) as content:
        kinds.append(type(mine.raw).__name__)
        shown = bytes(content[0:7])

    assert kinds == ["BytesIO", "FileIO", "BytesIO", "FileIO"]
    assert shown == read_file(kept / "file") == b"content"
    assert count_bytes(kept / "file") == 7
