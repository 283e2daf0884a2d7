"""STOW-RS: however a sender writes its body."""

from __future__ import annotations

import httpx
import pytest

from tests.service.answers import change_dataset, expect_problem
from tests.service.conftest import Server
from tests.service.dicomweb.arrivals import read_uid
from tests.service.dicomweb.bodies import (
    BOUNDARY,
    MULTIPART,
    in_pieces,
    join_parts,
    list_stored,
    store,
)


@pytest.mark.parametrize(
    "content_type",
    [
        MULTIPART,
        f'multipart/related; type="application/dicom"; boundary="{BOUNDARY}"',
        f"multipart/related; boundary={BOUNDARY}; type=application/dicom",
        f'Multipart/Related;type="application/dicom";boundary={BOUNDARY}',
        f"multipart/related; boundary={BOUNDARY}",
        f'{MULTIPART}; transfer-syntax=1.2.840.10008.1.2.1; start="<1>"',
    ],
)
def test_any_way_to_write_the_content_type(
    sender: httpx.Client, slices: list[bytes], content_type: str
) -> None:
    """Quotes, order and case are the sender's choice (RFC 2045 5.1)."""
    answer = sender.post(
        "/dicom-web/studies",
        content=join_parts(*slices[:2]),
        headers={"Content-Type": content_type},
    )

    assert answer.status_code == 200
    assert list_stored(answer) == [read_uid(one) for one in slices[:2]]


@pytest.mark.parametrize("before", ["", "\r\n"])
@pytest.mark.parametrize("after", ["", "\r\n", "\r\nan epilogue"])
@pytest.mark.parametrize("headers", ["", "Content-Length: 1\r\nContent-ID: <1>\r\nX-Own: a;b\r\n"])
@pytest.mark.parametrize("piece_bytes", [None, 1_000_000, 61])
def test_any_way_to_write_the_body(
    sender: httpx.Client,
    slices: list[bytes],
    before: str,
    after: str,
    headers: str,
    piece_bytes: int | None,
) -> None:
    """dicomweb-client begins with a line end, Orthanc ends without one and adds headers."""
    body = join_parts(*slices[:2], before=before, after=after, headers=headers)

    answer = sender.post(
        "/dicom-web/studies",
        content=body if piece_bytes is None else in_pieces(body, piece_bytes),
        headers={"Content-Type": MULTIPART},
    )

    assert answer.status_code == 200
    assert list_stored(answer) == [read_uid(one) for one in slices[:2]]


def test_what_is_stored_is_what_was_sent(
    site: Server, sender: httpx.Client, slices: list[bytes]
) -> None:
    """Bit by bit, also where an object holds what looks like a boundary."""
    odd = change_dataset(
        slices[0],
        lambda dataset: dataset.add_new(0x7FE00010, "OW", f"\r\n--{BOUNDARY[:-1]}\r\n".encode()),
    )

    store(sender, odd, *slices[1:])

    kept = {path.read_bytes() for path in (site.data / "instances").iterdir()}
    assert kept >= {odd, *slices[1:]}


def test_one_object_without_an_envelope(sender: httpx.Client, slices: list[bytes]) -> None:
    """PS3.18 10.5.1 allows it."""
    headers = {"Content-Type": "application/dicom"}

    answer = sender.post("/dicom-web/studies", content=slices[0], headers=headers)

    assert (answer.status_code, list_stored(answer)) == (200, [read_uid(slices[0])])


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (MULTIPART, b""),
        (MULTIPART, f"--{BOUNDARY}--\r\n".encode()),
        (MULTIPART, f"\r\n--{BOUNDARY}--".encode()),
        ("application/dicom", b""),
    ],
)
def test_a_body_without_an_object_is_no_success(
    sender: httpx.Client, content_type: str, body: bytes
) -> None:
    """dicomweb-client tries again with a spent body, and takes any 200 for its study's."""
    headers = {"Content-Type": content_type}

    answer = sender.post("/dicom-web/studies", content=body, headers=headers)

    expect_problem(answer, 400, "bad-request")


@pytest.mark.parametrize(
    "body", [b"no boundary at all", f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n".encode()]
)
def test_a_body_that_is_not_what_it_says(sender: httpx.Client, body: bytes) -> None:
    """The same where it breaks off."""
    answer = sender.post("/dicom-web/studies", content=body, headers={"Content-Type": MULTIPART})

    expect_problem(answer, 400, "bad-request", "body is broken")


def test_a_body_that_breaks_off_in_an_object(sender: httpx.Client, slices: list[bytes]) -> None:
    """A proxy may end a body in good order where its sender had not finished."""
    answer = sender.post(
        "/dicom-web/studies",
        content=join_parts(*slices)[:-5_000],
        headers={"Content-Type": MULTIPART},
    )

    expect_problem(answer, 400, "bad-request", "ends before its last part")


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/json",
        "multipart/form-data; boundary=b",
        f'multipart/related; type="application/dicom+xml"; boundary={BOUNDARY}',
        f'multipart/related; type="image/jpeg"; boundary={BOUNDARY}',
    ],
)
def test_other_media_types_are_refused(
    sender: httpx.Client, slices: list[bytes], content_type: str
) -> None:
    """And the sender is told which one is taken."""
    answer = sender.post(
        "/dicom-web/studies",
        content=join_parts(slices[0]),
        headers={"Content-Type": content_type},
    )

    expect_problem(answer, 415, "unsupported-media-type", "multipart/related")


def test_a_part_of_another_media_type_is_refused(sender: httpx.Client) -> None:
    """Metadata apart from its bulk data, say."""
    body = join_parts(b"<NativeDicomModel/>").replace(b"application/dicom", b"application/pdf")

    answer = sender.post("/dicom-web/studies", content=body, headers={"Content-Type": MULTIPART})

    expect_problem(answer, 415, "unsupported-media-type", "application/pdf")
