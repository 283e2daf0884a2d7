"""A zip that must be refused is refused with its reason, and nothing of it is kept."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.service.answers import expect_problem
from tests.service.conftest import Server

Zipper = Callable[[dict[str, bytes]], bytes]

pytestmark = pytest.mark.usefixtures("nothing_is_kept")


def _post(server: Server, files: dict[str, bytes]) -> httpx.Response:
    parts = [("files", (name, content)) for name, content in files.items()]
    return server.http.post("/v1/jobs", files=parts, data={"model": "commissioning"})


def _read(files: list[Path]) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in files}


def test_a_zip_cut_short(server: Server, build_zip: Zipper, series: list[Path]) -> None:
    """An interrupted copy."""
    answer = _post(server, {"ct.zip": build_zip(_read(series))[:-200]})

    expect_problem(answer, 400, "broken-zip", "ct.zip")


def test_a_zip_whose_content_is_damaged(
    server: Server, build_zip: Zipper, series: list[Path]
) -> None:
    """The directory is whole, an entry is not."""
    content = bytearray(build_zip(_read(series)))
    content[200:260] = bytes(60)

    expect_problem(_post(server, {"ct.zip": bytes(content)}), 400, "broken-zip", "ct.zip")


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [
        (6, b"\xff\x01", "version 25.5"),  # to extract it
        (8, b"\x20\0", "patched data"),  # a flag
        (28, b"\0\0", ""),  # length of its name
        (42, b"\xff\xff\xff\x7f", ""),  # where its content begins
        (46, b"\xff\xff", "utf-8"),  # its name
    ],
)
def test_a_zip_whose_directory_is_damaged(
    server: Server, build_zip: Zipper, place: int, value: bytes, reason: str
) -> None:
    """Whatever zipfile makes of it: the fault is not the server's."""
    content = bytearray(build_zip({"größe.dcm": b"content"}))
    entry = content.index(b"PK\x01\x02")
    content[entry + place : entry + place + len(value)] = value

    answer = _post(server, {"ct.zip": bytes(content)})

    expect_problem(answer, 400, "broken-zip", "ct.zip", reason)


def test_a_zip_whose_content_lies_ahead_of_its_beginning(server: Server, build_zip: Zipper) -> None:
    """Seeking there fails as a failing disk does."""
    content = bytearray(build_zip({"slice.dcm": b"content"}))
    directory = content.index(b"PK\x01\x02")
    struct.pack_into("<L", content, content.index(b"PK\x05\x06") + 16, directory + 100)

    answer = _post(server, {"ct.zip": bytes(content)})

    expect_problem(answer, 400, "broken-zip", "ct.zip", "ahead of its beginning")


@pytest.mark.parametrize(
    "name", ["../escape.dcm", "a/../../escape.dcm", "/tmp/escape.dcm", "..\\escape", "C:\\escape"]
)
def test_a_zip_that_points_outside(server: Server, build_zip: Zipper, name: str) -> None:
    """Not repaired: who sends such a thing should know."""
    answer = _post(server, {"ct.zip": build_zip({name: b"content"})})

    expect_problem(answer, 400, "unsafe-zip", "ct.zip", "escape")


def test_a_zip_with_a_link(server: Server) -> None:
    """A link could read any file of the server."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        link = zipfile.ZipInfo("slice.dcm")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")

    expect_problem(_post(server, {"ct.zip": buffer.getvalue()}), 400, "unsafe-zip", "slice.dcm")


def test_a_zip_that_unpacks_to_too_much(server: Server, build_zip: Zipper) -> None:
    """A zip bomb: 30 MiB of zeros in some 30 kB."""
    answer = _post(server, {"bomb.zip": build_zip({"zeros": bytes(30 * 2**20)})})

    expect_problem(answer, 413, "upload-too-large", "bomb.zip")


def test_a_zip_that_lies_about_its_size(server: Server, build_zip: Zipper) -> None:
    """The directory says 10 bytes, the content is 1 MiB."""
    content = bytearray(build_zip({"zeros": bytes(2**20)}))
    size = struct.pack("<L", 2**20)
    while size in content:
        place = content.index(size)
        content[place : place + 4] = struct.pack("<L", 10)

    expect_problem(_post(server, {"liar.zip": bytes(content)}), 400, "broken-zip", "liar.zip")


def test_a_zip_of_too_many_entries(server: Server, build_zip: Zipper) -> None:
    """Each costs a file."""
    entries = {f"{number}": b"x" for number in range(101)}

    expect_problem(
        _post(server, {"many.zip": build_zip(entries)}), 413, "upload-too-large", "many.zip"
    )


def test_a_zip_among_other_files(server: Server, build_zip: Zipper) -> None:
    """Either files or one zip; which of them is the series is not guessed."""
    answer = _post(server, {"a.zip": build_zip({"x": b"x"}), "b.zip": build_zip({"x": b"x"})})

    expect_problem(answer, 400, "broken-upload", "a.zip")
