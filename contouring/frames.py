"""One encoded frame, with all that a decoder needs to know of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels.utils import pixel_array
from pydicom.uid import UID

from contouring.transfer_syntaxes import COMPRESSED

# What a decoder needs to know of a frame (PS3.3 C.7.6.3).
PIXEL_KEYWORDS = (
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
)


@dataclass(frozen=True)
class Frame:
    """`values`: of those of `PIXEL_KEYWORDS` that are known; `vr`: of PixelData, OB or OW;
    `is_little_endian` and `is_implicit`: how the file's own numbers are written."""

    content: bytes
    syntax: str
    values: Mapping[str, int | str]
    vr: str
    is_implicit: bool
    is_little_endian: bool

    @property
    def is_compressed(self) -> bool:
        """Whether it takes a decoder to know its pixels."""
        return self.syntax in COMPRESSED

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) as its header declares them."""
        return int(self.values["Rows"]), int(self.values["Columns"])

    def decode(self) -> NDArray[np.integer]:
        """(rows, columns) stored values: sign extended, without what lies above the stored bits."""
        dataset = Dataset()
        for keyword, value in self.values.items():
            setattr(dataset, keyword, value)
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = UID(self.syntax)
        pixels = encapsulate([self.content]) if self.is_compressed else self.content
        dataset.add_new("PixelData", self.vr, pixels)
        dataset.set_original_encoding(self.is_implicit, self.is_little_endian)
        return cast("NDArray[np.integer]", pixel_array(dataset, raw=True))


def build_frame(content: bytes, header: Dataset, source: Dataset, vr: str) -> Frame:
    """A frame of the file `source`, by the header of its own slice."""
    is_implicit, is_little_endian = source.original_encoding
    values = {name: header[name].value for name in PIXEL_KEYWORDS if name in header}
    return Frame(
        content,
        str(source.file_meta.TransferSyntaxUID),
        {name: value if isinstance(value, int) else str(value) for name, value in values.items()},
        vr,
        bool(is_implicit),
        bool(is_little_endian),
    )
