"""Our own files, spoilt at random with a seed: what a broken disk or a curious stranger makes."""

from __future__ import annotations

import random
import struct
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from pydicom.uid import JPEG2000Lossless, RLELossless

from contouring.phantom_scan import Scan, even_offsets
from tests.contouring.encodings import encode
from tests.hostile.crafted_dicom import LONG_VRS, nest, write_ct, write_private, write_sequence
from tests.phantoms import write_small_series

LENGTHS = (0, 1, 0x7FFF, 0xFFFE, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF)
VRS = ("AE", "CS", "DS", "FD", "IS", "LO", "OB", "OW", "PN", "SQ", "UI", "UN", "US", "UT")
HEAD_BYTES = 4096  # where the header is; beyond it are pixels
TINY = Scan(
    rows=16,
    columns=16,
    row_spacing_mm=1.0,
    column_spacing_mm=1.0,
    slice_offsets_mm=even_offsets(3, 2.5),
)

Spoil = Callable[[random.Random, bytearray], bytes]


def build_mutations(count: int, seed: int = 8) -> Iterator[tuple[str, bytes]]:
    """So many, each with its name; the same ones every time."""
    chance = random.Random(seed)
    originals = build_originals()
    for number in range(count):
        spoil = SPOILERS[number % len(SPOILERS)]
        name, content = originals[chance.randrange(len(originals))]
        yield f"{name}-{spoil.__name__[1:]}-{number}", spoil(chance, bytearray(content))


def build_originals() -> list[tuple[str, bytes]]:
    """Sound files: slices of a phantom as they are and compressed, and crafted ones."""
    with tempfile.TemporaryDirectory() as folder:
        plain, rle, j2k = write_small_series(Path(folder), TINY)
        encode(rle, RLELossless)
        encode(j2k, JPEG2000Lossless)
        slices = [("plain", plain), ("rle", rle), ("j2k", j2k)]
        written = [(name, path.read_bytes()) for name, path in slices]
    nested = write_ct(nest(4) + write_sequence(write_private(5), write_private(5), tag=0x00400276))
    return [*written, ("nested", nested), ("lengths", write_ct(nest(4, is_defined=True)))]


def _flip(chance: random.Random, content: bytearray) -> bytes:
    """Some bits of the header."""
    for _ in range(chance.randint(1, 12)):
        content[chance.randrange(128, min(HEAD_BYTES, len(content)))] ^= 1 << chance.randrange(8)
    return bytes(content)


def _truncate(chance: random.Random, content: bytearray) -> bytes:
    """Anywhere, mostly in the header."""
    most = len(content) if chance.random() < 0.3 else min(HEAD_BYTES, len(content))
    return bytes(content[: chance.randrange(most)])


def _lengthen(chance: random.Random, content: bytearray) -> bytes:
    """The length of an element says something else."""
    place = _pick_element(chance, content)
    length = chance.choice(LENGTHS)
    if content[place + 4 : place + 6].decode() in LONG_VRS:
        struct.pack_into("<L", content, place + 8, length)
    else:
        struct.pack_into("<H", content, place + 6, length & 0xFFFF)
    return bytes(content)


def _swap(chance: random.Random, content: bytearray) -> bytes:
    """An element is of another VR than its value."""
    for _ in range(chance.randint(1, 4)):
        place = _pick_element(chance, content)
        content[place + 4 : place + 6] = chance.choice(VRS).encode()
    return bytes(content)


def _nest(chance: random.Random, content: bytearray) -> bytes:
    """Sequences where none belong."""
    place = _pick_element(chance, content)
    return bytes(content[:place] + nest(chance.randint(1, 80)) + content[place:])


def _repeat(chance: random.Random, content: bytearray) -> bytes:
    """A part of the header comes again and again."""
    start, end = sorted(_pick_element(chance, content) for _ in range(2))
    times = chance.randint(1, 200)
    return bytes(content[:end] + content[start:end] * times + content[end:])


def _pick_element(chance: random.Random, content: bytearray) -> int:
    """Where an element with explicit VR begins, by the look of it."""
    places = [
        place
        for place in range(132, min(HEAD_BYTES, len(content) - 12))
        if content[place + 4 : place + 6].decode("latin-1") in VRS and content[place + 1] < 0x80
    ]
    return chance.choice(places)


SPOILERS: tuple[Spoil, ...] = (_flip, _truncate, _lengthen, _swap, _nest, _repeat)
