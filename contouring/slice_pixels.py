"""Pixels of one slice, in Hounsfield units."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException

from contouring.errors import SeriesRefusedError
from contouring.recipe import AIR_HU

# What pydicom and its decoders raise over damaged or unknown pixels.
UNREADABLE = (
    ValueError,
    TypeError,
    AttributeError,
    RuntimeError,
    NotImplementedError,
    KeyError,
    IndexError,
    EOFError,
    struct.error,
    BytesLengthException,
)
HU_LIMITS = (AIR_HU, 32767)  # below air: the circle that scanners fill around their field of view


def read_hu(path: Path) -> NDArray[np.int16]:
    """(rows, columns) int16 Hounsfield units, by the slice's own rescale; padding reads as air.

    Raises `SeriesRefusedError` naming the file when the pixels cannot be decoded.
    """
    dataset = pydicom.dcmread(path)
    try:
        stored = dataset.pixel_array
        slope = float(dataset.get("RescaleSlope") or 1)
        intercept = float(dataset.get("RescaleIntercept") or 0)
        is_padding = _is_padding(dataset, stored)
    except UNREADABLE as error:
        raise SeriesRefusedError(
            "unreadable-pixels", f"The pixels of {path.name} cannot be decoded: {error}"
        ) from error
    if stored.ndim != 2:
        raise SeriesRefusedError(
            "not-one-plane", f"{path.name} holds pixels of shape {stored.shape}, not one plane."
        )
    hu = np.clip(np.round(stored * slope + intercept), *HU_LIMITS).astype(np.int16)
    hu[is_padding] = AIR_HU
    return np.asarray(hu)


def _is_padding(dataset: Dataset, stored: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Pixels that stand for nothing (PS3.3 C.7.5.1.1.2), compared as stored."""
    value = dataset.get("PixelPaddingValue")
    if value is None:
        return np.zeros(stored.shape, bool)
    first = _as_stored(int(value), dataset)
    last = _as_stored(int(dataset.get("PixelPaddingRangeLimit", value)), dataset)
    return (stored >= min(first, last)) & (stored <= max(first, last))


def _as_stored(value: int, dataset: Dataset) -> int:
    """A padding value in the pixels' own sign, whichever VR it was written in."""
    bits = int(dataset.BitsAllocated)
    value %= 1 << bits
    is_negative = int(dataset.PixelRepresentation) == 1 and value >= 1 << (bits - 1)
    return value - (1 << bits) if is_negative else value
