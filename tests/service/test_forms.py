"""A form is the same form however its bytes arrive."""

from __future__ import annotations

import hashlib
import itertools
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contouring.errors import BrokenUploadError, UploadTooLargeError, WrongBodyError
from service.forms import FIELD_BYTES, Form, FormParser

FORM = "multipart/form-data; boundary=XX"
BODY = (
    b'--XX\r\nContent-Disposition: form-data; name="model"\r\n\r\nhn-oar\r\n'
    b'--XX\r\nContent-Disposition: form-data; name="files"; filename="../\x07a.dcm"\r\n\r\n'
    b"one\r\n--X\r\nstill one\r\n"
    b'--XX\r\nContent-Disposition: form-data; name="files"; filename="b.dcm"\r\n\r\n\r\n'
    b"--XX--\r\n"
)
CONTENTS = [b"one\r\n--X\r\nstill one", b""]


def _parse(folder: Path, pieces: list[bytes], file_limit: int = 10) -> Form:
    parser = FormParser(FORM, folder, file_limit)
    for piece in pieces:
        parser.feed(piece)
    return parser.close()


@given(st.lists(st.integers(0, len(BODY)), max_size=12).map(sorted))
def test_pieces_of_any_size_make_the_same_form(cuts: list[int]) -> None:
    """The network cuts where it likes, also within a boundary."""
    edges = [0, *cuts, len(BODY)]
    pieces = [BODY[start:end] for start, end in itertools.pairwise(edges)]

    with tempfile.TemporaryDirectory() as folder:
        form = _parse(Path(folder), pieces)
        contents = [file.path.read_bytes() for file in form.files]

    assert form.fields == {"model": ("hn-oar",)}
    assert contents == CONTENTS
    assert [file.sha256 for file in form.files] == [
        hashlib.sha256(content).hexdigest() for content in CONTENTS
    ]


def test_a_sent_name_is_shown_but_never_a_path(tmp_path: Path) -> None:
    """It may hold anything, so it only appears in messages, without control characters."""
    form = _parse(tmp_path, [BODY])

    assert form.files[0].name == "../a.dcm"
    assert {file.path.parent for file in form.files} == {tmp_path}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file-000001", "file-000002"]


def test_parts_of_the_same_name_stay_together(tmp_path: Path) -> None:
    """A template may be asked for more than once, and a file is known by its part's name."""
    body = BODY.replace(b'name="files"; filename="b.dcm"', b'name="ct"; filename="b.dcm"').replace(
        b"--XX--", b'--XX\r\nContent-Disposition: form-data; name="model"\r\n\r\nb\r\n--XX--'
    )

    form = _parse(tmp_path, [body])

    assert form.fields == {"model": ("hn-oar", "b")}
    shown = {name: [file.name for file in files] for name, files in form.files_by_name.items()}
    assert shown == {"files": ["../a.dcm"], "ct": ["b.dcm"]}


def test_a_field_does_not_fill_the_memory(tmp_path: Path) -> None:
    """Only files may be large, for only they go to disk."""
    body = BODY.replace(b"hn-oar", b"x" * (FIELD_BYTES + 1))

    with pytest.raises(UploadTooLargeError, match="'model'"):
        _parse(tmp_path, [body])


def test_more_files_than_allowed_are_refused(tmp_path: Path) -> None:
    """Each is an entry of the disk's."""
    with pytest.raises(UploadTooLargeError, match="number of files"):
        _parse(tmp_path, [BODY], file_limit=1)


@pytest.mark.parametrize("content_type", ["", "application/json", "multipart/form-data"])
def test_another_content_type_is_refused(tmp_path: Path, content_type: str) -> None:
    """Without a boundary there is nothing to look for."""
    with pytest.raises((BrokenUploadError, WrongBodyError), match="multipart/form-data"):
        FormParser(content_type, tmp_path, 10)


def test_bytes_that_are_no_form_are_refused(tmp_path: Path) -> None:
    """The parser's own error must not reach the sender as a failure of the server."""
    with pytest.raises(BrokenUploadError):
        _parse(tmp_path, [b"no boundary here"])
