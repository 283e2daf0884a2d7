"""A multipart body comes out as it went in, however the network cuts it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.multipart_parts import BrokenMultipartError, PartSplitter

BOUNDARY = b"bound-ary"
# What nearly is the delimiter is what a parser stumbles over.
CONTENTS = st.lists(
    st.sampled_from([b"\r", b"\n", b"-", b"--", b"\r\n--bound", b"\r\n--bound-arx", b"\0", b"a"])
).map(b"".join)


class GatheredPart:
    """Content of one part, added to a list once it is complete."""

    def __init__(self, gathered: list[bytes]) -> None:
        self._gathered = gathered
        self._content = b""

    def write(self, piece: memoryview) -> None:
        """Take the next bytes."""
        self._content += bytes(piece)

    def close(self) -> None:
        """The part is complete."""
        self._gathered.append(self._content)


def split(body: bytes, cuts: list[int]) -> tuple[list[dict[str, bytes]], list[bytes]]:
    """Headers and contents of all parts of a body that comes in pieces."""
    headers: list[dict[str, bytes]] = []
    contents: list[bytes] = []

    def open_part(given_headers: Mapping[str, bytes]) -> GatheredPart:
        headers.append(dict(given_headers))
        return GatheredPart(contents)

    splitter = PartSplitter(BOUNDARY, open_part)
    ends = sorted({min(cut, len(body)) for cut in cuts} | {len(body)})
    for start, end in zip([0, *ends], ends, strict=False):
        splitter.feed(body[start:end])
    splitter.close()
    return headers, contents


@given(
    contents=st.lists(CONTENTS, min_size=1, max_size=4),
    cuts=st.lists(st.integers(0, 300), max_size=40),
    before=st.sampled_from([b"", b"\r\n", b"\r\n\r\n"]),
    after=st.sampled_from([b"", b"\r\n", b"  \r\nepilogue"]),
)
@settings(deadline=None, derandomize=True, max_examples=300)
def test_every_part_comes_out_whole(
    contents: list[bytes], cuts: list[int], before: bytes, after: bytes
) -> None:
    """Wherever the body is cut into pieces."""
    delimiter = b"--" + BOUNDARY
    parts = [
        delimiter + b"\r\nNumber: %d\r\n\r\n" % number + content + b"\r\n"
        for number, content in enumerate(contents)
    ]

    headers, found = split(before + b"".join(parts) + delimiter + b"--" + after, cuts)

    assert found == contents
    assert headers == [{"number": b"%d" % number} for number in range(len(contents))]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no boundary",
        b"--bound-ary\r\n",
        b"--bound-ary\r\nA: b\r\n\r\ncontent",
        b"--bound-ary\r\nA: b\r\n\r\ncontent\r\n--bound-ary",
        b"--bound-ary\nA: b\n\ncontent\n--bound-ary--\n",
        b"--bound-ary\r\nno header\r\n\r\ncontent\r\n--bound-ary--",
        b"--bound-ary\r\nA: " + b"b" * 20_000 + b"\r\n\r\ncontent\r\n--bound-ary--",
    ],
)
def test_a_broken_body_is_told(body: bytes) -> None:
    """Nothing of it is guessed."""
    with pytest.raises(BrokenMultipartError):
        split(body, [])
