"""Pixels of slices, in Hounsfield units."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames

from contouring.codestreams import is_whole, read_size
from contouring.dicom_files import UNREADABLE, declared_bytes, read_with_pixels
from contouring.errors import SeriesRefusedError
from contouring.frames import Frame, build_frame
from contouring.input_policies import refusal
from contouring.multiframe import split_frames
from contouring.recipe import AIR_HU
from contouring.slice_headers import SliceHeader
from contouring.transfer_syntaxes import COMPRESSED

Decode = Callable[[Frame], NDArray[np.integer]]

HU_LIMITS = (AIR_HU, 32767)
# Scanners fill the corners around their round field of view with -2000 or -3024; noise in air
# stays above this.
OUTSIDE_HU = -1500
# Lossless coding of noise may lengthen it a little; what is far longer expands to who knows what.
MOST_LENGTHENING = 2
MOST_OVERHEAD_BYTES = 4096
LARGEST_INTERCEPT = 65536.0
OUTSIDE = -32768  # in place of Hounsfield units, below all that there are


@dataclass(frozen=True, eq=False)
class Plane:
    """`hu`: (rows, columns) int16 Hounsfield units, air where the scan shows nothing.

    `in_view`: (rows, columns) bool, False for padding and outside the reconstruction circle.
    """

    hu: NDArray[np.int16]
    in_view: NDArray[np.bool_]


class PixelFile:
    """A CT file opened for its pixels.

    Raises `SeriesRefusedError` wherever pixels are missing or cannot be decoded; `name` is what it
    calls the file, by default the file's own name, and `decode` what turns a frame into values.
    """

    def __init__(self, path: Path, name: str = "", decode: Decode = Frame.decode) -> None:
        self._path, self._name, self._decode = path, name or path.name, decode
        try:
            self._dataset = read_with_pixels(path, self._name)
            self._frames = self._split()
            self._pixel_vr = self._dataset["PixelData"].VR
            del self._dataset.PixelData  # the frames hold it now
        except UNREADABLE as error:
            raise self._unreadable(error) from error

    def read_plane(self, frame: int | None) -> Plane:
        """One frame, by its own rescale; None for the plane of a plain file."""
        try:
            header = self._headers[frame or 0].dataset
            content = bytes(self._frames[frame or 0])
            self._check_frame(content, header)
            stored = self._decode(build_frame(content, header, self._dataset, self._pixel_vr))
            return _build_plane(stored, header)
        except UNREADABLE as error:
            raise self._unreadable(error) from error

    @cached_property
    def _headers(self) -> list[SliceHeader]:
        return split_frames(SliceHeader(self._path, self._name, self._dataset))

    @property
    def _is_compressed(self) -> bool:
        return self._dataset.file_meta.TransferSyntaxUID in COMPRESSED

    def _split(self) -> list[bytes | memoryview]:
        """Each frame's bytes, as they are encoded."""
        dataset = self._dataset
        count = int(dataset.get("NumberOfFrames") or 1)
        pixels = dataset.get("PixelData")
        if pixels is None:
            raise refusal("no-pixels", f"The pixels of {self._name} are missing, or break off.")
        if self._is_compressed:
            frames: list[bytes | memoryview] = [*generate_frames(pixels, number_of_frames=count)]
            if len(frames) != count:
                raise refusal(
                    "truncated-pixels",
                    f"The pixels of {self._name} are {len(frames)} of {count} frames: send it "
                    "again.",
                )
            return frames
        whole = declared_bytes(dataset)
        if not whole <= len(pixels) <= whole + whole % 2:
            name = "truncated-pixels" if len(pixels) < whole else "excess-pixels"
            raise refusal(
                name,
                f"The pixels of {self._name} are {len(pixels)} bytes where its header declares "
                f"{whole}: send it again.",
            )
        size = whole // count
        whole_view = memoryview(pixels)  # no second copy of a file of many frames
        return [whole_view[number * size : (number + 1) * size] for number in range(count)]

    def _check_frame(self, content: bytes, header: Dataset) -> None:
        """A compressed frame must be whole and of the declared size before it is decoded."""
        if not self._is_compressed:
            return
        kind = COMPRESSED[self._dataset.file_meta.TransferSyntaxUID]
        if not is_whole(content, kind):
            raise refusal(
                "truncated-pixels",
                f"The compressed pixels of {self._name} break off: send it again.",
            )
        size, declared = read_size(content, kind), (int(header.Rows), int(header.Columns))
        plain = declared[0] * declared[1] * int(header.BitsAllocated) // 8
        is_long = len(content) > MOST_LENGTHENING * plain + MOST_OVERHEAD_BYTES
        if is_long or size not in (None, declared):
            raise refusal(
                "codestream-size",
                f"The compressed pixels of {self._name} are {len(content)} bytes and "
                f"{size or 'no size'}, where the header declares {declared} rows and columns.",
            )

    def _unreadable(self, error: Exception) -> SeriesRefusedError:
        return refusal(
            "unreadable-pixels", f"The pixels of {self._name} cannot be decoded: {error}"
        )


def read_hu(path: Path, frame: int | None = None) -> NDArray[np.int16]:
    """(rows, columns) int16 Hounsfield units of one slice; padding reads as air."""
    return PixelFile(path).read_plane(frame).hu


@dataclass(frozen=True)
class _Meaning:
    """What a stored value means: its rescale, and the values that stand for nothing.

    `padding`: the first and last of them as stored (PS3.3 C.7.5.1.1.2), if there are any.
    """

    slope: float
    intercept: float
    padding: tuple[int, int] | None

    def find_hu(self, stored: NDArray[np.integer]) -> NDArray[np.int16]:
        """Hounsfield units, `OUTSIDE` where a value stands for nothing."""
        exact = np.round(stored * self.slope + self.intercept)
        is_outside = exact < OUTSIDE_HU
        if self.padding is not None:
            first, last = self.padding
            is_outside |= (stored >= first) & (stored <= last)
        hu = np.clip(exact, *HU_LIMITS).astype(np.int16)
        hu[is_outside] = OUTSIDE
        return hu


def _build_plane(stored: NDArray[np.integer], header: Dataset) -> Plane:
    meaning = _read_meaning(header)
    if stored.dtype.itemsize == 2:
        native = stored.astype(stored.dtype.newbyteorder("="), copy=False)
        hu = _tabulate(meaning, native.dtype.kind == "i")[native.view(np.uint16)]
    else:
        hu = meaning.find_hu(stored)
    in_view = hu != OUTSIDE
    np.maximum(hu, AIR_HU, out=hu)
    return Plane(hu, in_view)


@lru_cache(maxsize=16)  # nearly all slices of a scan have the same one
def _tabulate(meaning: _Meaning, is_signed: bool) -> NDArray[np.int16]:
    """The Hounsfield units of all 65,536 stored values, by their bits."""
    bits = np.arange(1 << 16, dtype=np.uint16)
    return meaning.find_hu(bits.view(np.int16) if is_signed else bits)


def _read_meaning(header: Dataset) -> _Meaning:
    slope, intercept = float(header.RescaleSlope), float(header.RescaleIntercept)
    if not abs(intercept) <= LARGEST_INTERCEPT:
        raise ValueError(f"its rescale intercept is {intercept:g}")
    value = header.get("PixelPaddingValue")
    if value is None:
        return _Meaning(slope, intercept, None)
    first = as_stored(int(value), header)
    last = as_stored(int(header.get("PixelPaddingRangeLimit", value)), header)
    return _Meaning(slope, intercept, (min(first, last), max(first, last)))


def as_stored(value: int, header: Dataset) -> int:
    """A padding value in the pixels' own sign, whichever VR it was written in."""
    bits = int(header.BitsAllocated)
    value %= 1 << bits
    is_negative = int(header.PixelRepresentation) == 1 and value >= 1 << (bits - 1)
    return value - (1 << bits) if is_negative else value
