"""A file is held to each limit before anything parses it: one below passes, one above does not."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from pathlib import Path

import pydicom
import pydicom.data
import pytest
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    MRImageStorage,
)

from contouring import dicom_gate
from contouring.dicom_files import UNREADABLE
from contouring.dicom_gate import DicomLimits, check_file
from contouring.element_walk import ElementWalk
from contouring.errors import DicomLimitError
from contouring.stacks import MOST_SLICES
from tests.contouring.encodings import encode
from tests.hostile.crafted_dicom import (
    ITEM,
    ITEM_END,
    PIXEL_DATA,
    SEQUENCE_END,
    UNDEFINED,
    deflate,
    find_dataset,
    nest,
    nest_deeply,
    write_ct,
    write_element,
    write_private,
    write_sequence,
)
from tests.phantoms import write_small_series

LIMITS = DicomLimits(
    file_bytes=10_000,
    depth=5,
    elements=100,
    items=20,
    value_bytes=300,
    side=64,
    least_side=4,
    frames=7,
    bits=16,
    inflated_bytes=9_000,
    inflate_ratio=5.0,
    inflate_ratio_bytes=4_000,
)
OWN_ELEMENTS = 22  # of a crafted slice; those of its meta group count apart

Check = Callable[[bytes], str]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """What is wrong with a file; empty where nothing is."""

    def ask(content: bytes, limits: DicomLimits = LIMITS) -> str:
        path = tmp_path / "file"
        path.write_bytes(content)
        try:
            check_file(path, limits)
        except DicomLimitError as error:
            return error.fault
        return ""

    return ask


@pytest.mark.parametrize("is_defined", [True, False])
def test_sequences_are_nested_no_deeper_than_allowed(check: Check, is_defined: bool) -> None:
    """Their lengths may be said or not."""
    assert check(write_ct(nest(5, is_defined))) == ""
    assert "nested deeper than 5" in check(write_ct(nest(6, is_defined)))


def test_nothing_is_too_deep_to_be_counted(check: Check) -> None:
    """A parser that calls itself is at its end after some hundred."""
    assert "nested deeper" in check(write_ct(nest_deeply(400)))


def test_unknown_sequences_count_as_any(check: Check) -> None:
    """UN is read as a sequence where it holds items (PS3.5 6.2.2)."""
    inner = b""
    for _ in range(6):
        item = struct.pack("<HHL", 0xFFFE, 0xE000, len(inner)) + inner
        head = struct.pack("<HHL", 0x0040, 0x0275, len(item))
        inner = head + item
    wrapped = write_element(0x00990010, "UN", ITEM[:4] + struct.pack("<L", len(inner)) + inner)

    assert "nested deeper" in check(write_ct(wrapped))


def test_elements_are_counted_on_all_levels(check: Check) -> None:
    """Ten times as many where it is no single slice."""
    most = LIMITS.elements - OWN_ELEMENTS
    assert check(write_ct(write_private(most))) == ""
    assert "more than 100 elements" in check(write_ct(write_private(most + 1)))
    inside = write_sequence(write_private(most))  # and the sequence itself
    assert "more than 100 elements" in check(write_ct(inside))
    more = write_private(10 * LIMITS.elements - OWN_ELEMENTS)
    roomy = DicomLimits(elements=100)
    assert check(write_ct(more, sop_class=EnhancedCTImageStorage), roomy) == ""
    too_many = write_private(10 * LIMITS.elements - OWN_ELEMENTS + 1)
    assert "more than 1000" in check(write_ct(too_many, sop_class=EnhancedCTImageStorage), roomy)


def test_items_are_counted_in_all_sequences(check: Check) -> None:
    """They cost more than elements."""
    halves = write_sequence(*[b""] * 10) + write_sequence(*[b""] * 10, tag=0x00400276)
    assert check(write_ct(halves)) == ""
    assert "more than 20 items" in check(write_ct(halves + write_sequence(b"", tag=0x00400277)))


def test_fragments_are_counted_in_all_pixels(check: Check) -> None:
    """A decoder lists each; ten times as many where it is no single slice."""

    def encapsulate(count: int) -> bytes:
        fragment = struct.pack("<HHL", 0xFFFE, 0xE000, 0)
        return write_element(PIXEL_DATA, "OB", b"", UNDEFINED) + count * fragment + SEQUENCE_END

    assert check(write_ct(pixels=encapsulate(20))) == ""
    assert "more than 20 fragments" in check(write_ct(pixels=encapsulate(21)))
    bare = encapsulate(21)[12:]
    assert "more than 20 fragments" in check(write_ct(pixels=bare))
    enhanced = EnhancedCTImageStorage
    assert check(write_ct(pixels=encapsulate(200), sop_class=enhanced)) == ""
    fault = check(write_ct(pixels=encapsulate(201), sop_class=enhanced))
    assert "more than 200 fragments" in fault


def test_large_objects_may_have_as_many_elements_and_items_as_their_bytes_hold(
    check: Check,
) -> None:
    """Structure sets of many contours and enhanced CTs of many frames do; slices never."""
    limits = DicomLimits(elements=10, items=10)
    items = [write_element(0x00081030, "LO", b"x" * 80)] * 150
    large = write_sequence(*items)

    assert check(write_ct(large, sop_class=EnhancedCTImageStorage), limits) == ""
    assert "more than 10 elements" in check(write_ct(large), limits)
    dense = write_sequence(*[b""] * 2000)
    fault = check(write_ct(dense, sop_class=EnhancedCTImageStorage), limits)
    assert "items in sequences" in fault


def test_a_ct_may_have_as_many_frames_as_a_series_has_slices(check: Check) -> None:
    """At the edge."""
    assert check(write_ct(frames=str(MOST_SLICES).encode()), DicomLimits()) == ""
    assert "frames" in check(write_ct(frames=str(MOST_SLICES + 1).encode()), DicomLimits())


def test_what_cannot_be_inflated_at_all_is_refused(check: Check) -> None:
    """It has no head to be judged by."""
    broken = deflate(b"")[:-2] + b"\xff" * 20

    assert "cannot be inflated" in check(broken)


def test_only_pixels_may_be_long(check: Check) -> None:
    """Everything else is held in memory as it is read."""
    assert check(write_ct(write_element(0x00990010, "OB", bytes(300)))) == ""
    fault = check(write_ct(write_element(0x00990010, "OB", bytes(302))))
    assert fault == "its element (0099,0010) is 302 bytes, over 300"
    fragments = write_element(0x00990010, "OB", b"", UNDEFINED) + bytes(400) + SEQUENCE_END
    assert "(0099,0010)" in check(write_ct(fragments))
    assert check(write_ct(pixels=bytes(5000))) == ""


def test_a_length_that_only_claims_to_be_long_is_refused(check: Check) -> None:
    """Whoever reads it may ask for the memory first."""
    assert "4294967294 bytes" in check(write_ct(write_element(0x00990010, "OB", b"", 0xFFFFFFFE)))


@pytest.mark.parametrize(
    ("sizes", "frames", "fault"),
    [
        ((64, 64, 16), b"7", ""),
        ((65, 64, 16), None, "65 rows"),
        ((64, 65, 16), None, "65 columns"),
        ((64, 64, 32), None, "32 bits"),
        ((4, 4, 16), b"8", "8 frames"),
        ((4, 4, 16), b"999999999999", "999999999999 frames"),
        ((65535, 65535, 16), None, "65535 rows"),
        ((4, 4, 16), None, ""),
        ((3, 4, 16), None, "3 rows, under 4"),
        ((4, 3, 16), None, "3 columns, under 4"),
        ((0, 4, 16), None, "0 rows, under 4"),
    ],
)
def test_pixels_have_a_size_before_there_is_room_for_them(
    check: Check, sizes: tuple[int, int, int], frames: bytes | None, fault: str
) -> None:
    """By what the header declares."""
    found = check(write_ct(sizes=sizes, frames=frames))

    assert fault in found
    assert bool(found) == bool(fault)


@pytest.mark.parametrize("sizes", [(16, 16, 16), (2048, 2048, 16)])
def test_the_defaults_take_what_scanners_write(check: Check, sizes: tuple[int, int, int]) -> None:
    """To the edge on both sides."""
    rows, columns, bits = sizes
    beyond = -1 if rows == 16 else 1

    assert check(write_ct(sizes=sizes), DicomLimits()) == ""
    assert "rows" in check(write_ct(sizes=(rows + beyond, columns, bits)), DicomLimits())
    assert "columns" in check(write_ct(sizes=(rows, columns + beyond, bits)), DicomLimits())


def test_other_objects_have_any_size(check: Check) -> None:
    """They are acknowledged, counted, and never decoded."""
    assert check(write_ct(sizes=(4000, 4000, 32), sop_class=MRImageStorage)) == ""


def test_a_file_has_a_length(check: Check) -> None:
    """At its edge."""
    room = LIMITS.file_bytes - len(write_ct(pixels=b""))
    assert check(write_ct(pixels=bytes(room))) == ""
    assert "over 10000" in check(write_ct(pixels=bytes(room + 2)))


def inflating_to(count: int) -> bytes:
    """A deflated slice of so many bytes, most of them zeros."""
    own = find_dataset(write_ct(pixels=b""))
    return deflate(find_dataset(write_ct(pixels=bytes(count - len(own)))))


def test_deflated_files_may_inflate_at_any_ratio_up_to_a_size(check: Check) -> None:
    """A plane of one value is packed very small."""
    assert check(inflating_to(4_000)) == ""
    assert "inflates to more than 4000 bytes" in check(inflating_to(4_002))


def test_deflated_files_have_a_ratio_beyond(check: Check) -> None:
    """And a size whatever the ratio."""
    roomy = DicomLimits(inflated_bytes=9_000, inflate_ratio=1000.0, inflate_ratio_bytes=4_000)
    assert check(inflating_to(9_000), roomy) == ""
    assert "inflates to more than 9000 bytes" in check(inflating_to(9_002), roomy)


def test_what_is_deflated_is_held_to_the_same_limits(check: Check) -> None:
    """Packing hides nothing."""
    assert "nested deeper" in check(deflate(find_dataset(write_ct(nest(6)))))
    assert "65 rows" in check(deflate(find_dataset(write_ct(sizes=(65, 4, 16)))))


def test_what_breaks_off_or_is_no_dicom_is_left_to_its_reader(check: Check) -> None:
    """Which has its own words for it."""
    whole = write_ct(nest(3))
    assert all(check(whole[:end]) == "" for end in range(len(whole)))
    assert check(b"PK\3\4") == ""
    packed = inflating_to(3_000)
    assert all(check(packed[:end]) == "" for end in range(300, len(packed)))


def test_limits_are_enforced_in_little_time(check: Check) -> None:
    """Of the defaults; whoever sends such a file sends more of them."""
    bombs = [
        write_ct(nest_deeply(100_000)),
        write_ct(write_private(500_000)),
        write_ct(write_element(0x00400275, "SQ", b"", UNDEFINED) + 1_000_000 * (ITEM + ITEM_END)),
        write_ct(write_private(500_000), sop_class=EnhancedCTImageStorage),
        deflate(find_dataset(write_ct(pixels=bytes(300 * 2**20))), 1),
    ]
    begun = time.process_time()

    faults = [check(bomb, DicomLimits()) for bomb in bombs]

    assert all(faults)
    assert time.process_time() - begun < 20.0  # about one on a quiet machine


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_every_way_of_writing_is_walked(tmp_path: Path, check: Check, syntax: str) -> None:
    """A real slice is within the limits, and one over them is found in each."""
    (file, *_) = write_small_series(tmp_path / "ct")
    encode(file, syntax)

    assert check(file.read_bytes(), DicomLimits()) == ""
    assert "64 rows, over 63" in check(file.read_bytes(), DicomLimits(side=63))
    assert "more than 20 elements" in check(file.read_bytes(), DicomLimits(elements=20))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_walk_counts_what_pydicom_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a file could be harmless to the one and a bomb to the other."""
    walks: list[ElementWalk] = []

    class Seen(ElementWalk):
        def __init__(self, *arguments: object, **named: object) -> None:
            super().__init__(*arguments, **named)  # type: ignore[arg-type]
            walks.append(self)

    monkeypatch.setattr(dicom_gate, "ElementWalk", Seen)
    compared, different = 0, []
    folder = Path(pydicom.data.__file__).parent
    for path in sorted(folder.rglob("*.dcm")):
        walks.clear()
        check_file(path, DicomLimits())
        try:
            counts = _count(pydicom.dcmread(path))
        except (*UNREADABLE, OSError):
            continue
        compared += 1
        if counts != (walks[-1]._elements, walks[-1]._items):
            different.append(path.name)

    assert compared >= 90
    # One repeats an element; in the other a private UN holds items that pydicom leaves packed.
    assert set(different) == {"priv_SQ.dcm", "winter.dcm"}


def _count(dataset: pydicom.Dataset) -> tuple[int, int]:
    """Elements and items of all levels."""
    elements = items = 0
    for element in dataset:
        elements += 1
        if element.VR == "SQ":
            for item in element.value:
                inner = _count(item)
                elements, items = elements + inner[0], items + 1 + inner[1]
    return elements, items


def test_a_slice_is_what_the_builder_says() -> None:
    """The edges above are of its elements."""
    dataset = pydicom.dcmread(pydicom.filebase.DicomBytesIO(write_ct(write_private(0))))

    assert dataset.SOPClassUID == CTImageStorage
    assert len(dataset) == OWN_ELEMENTS
