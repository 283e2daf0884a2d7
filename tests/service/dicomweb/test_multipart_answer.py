"""Who is told that an answer was taken."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import anyio
import pytest
from starlette.responses import StreamingResponse
from starlette.types import Message

from service.dicomweb.multipart_answer import answer_file, answer_multipart

SCOPE = {"type": "http", "method": "GET", "asgi": {"spec_version": "2.3"}}  # as uvicorn says


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of more than one piece."""
    (tmp_path / "object.dcm").write_bytes(bytes(2**20))
    return tmp_path / "object.dcm"


@pytest.mark.parametrize(("takes_all", "expected"), [(True, ["sent"]), (False, [])])
@pytest.mark.parametrize("is_multipart", [True, False])
def test_only_an_answer_that_was_taken_whole_is_delivered(
    file: Path, is_multipart: bool, takes_all: bool, expected: list[str]
) -> None:
    """A planning system that breaks off has no structure set."""
    told: list[str] = []
    notify = partial(told.append, "sent")
    if is_multipart:
        parts = [("application/dicom", [bytes(2**20)] * 3)]
        answer = answer_multipart("application/dicom", parts, notify)
    else:
        answer = answer_file("application/dicom", file, notify)
    bodies = 0

    async def send(message: Message) -> None:
        nonlocal bodies
        bodies += message["type"] == "http.response.body"
        if bodies and not takes_all:
            await anyio.sleep_forever()

    async def receive() -> Message:
        while takes_all or not bodies:
            await anyio.sleep(0)
        return {"type": "http.disconnect"}

    anyio.run(answer, SCOPE, receive, send)

    assert told == expected


def test_no_object_can_hold_the_boundary_of_the_answer_that_it_leaves_in() -> None:
    """Who knew it could send a CT that is read as others beside it, which nobody has judged."""
    first = answer_multipart("application/dicom", [])
    sent = b"\r\n--" + first.headers["Content-Type"].partition("boundary=")[2].encode()

    answer = answer_multipart("application/dicom", [("application/dicom", [sent])])
    boundary = answer.headers["Content-Type"].partition("boundary=")[2].encode()

    assert len(boundary) >= 32
    assert boundary not in sent
    assert anyio.run(read_body, answer).count(boundary) == 2


async def read_body(answer: StreamingResponse) -> bytes:
    """All of an answer."""
    return b"".join([bytes(piece) async for piece in answer.body_iterator])
