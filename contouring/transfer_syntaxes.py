"""How pixels may be encoded (DICOM PS3.5 section 10 and annex A), and what each way is worth."""

from __future__ import annotations

from pydicom.uid import (
    HTJ2K,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)
from pydicom.uid import JPEG2000 as JPEG2000Lossy

from contouring.codestreams import Codestream

NATIVE = frozenset(
    {
        ImplicitVRLittleEndian,
        ExplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
    }
)
"""Pixels as they are, though a deflated file is packed as a whole."""

# JPEG Baseline and Extended are missing on purpose: at 8 or 12 bits, with the loss of a
# photograph, they are no CT numbers. So are video and what changes over the network.
COMPRESSED = {
    RLELossless: Codestream.RLE,
    JPEGLossless: Codestream.JPEG,
    JPEGLosslessSV1: Codestream.JPEG,
    JPEGLSLossless: Codestream.JPEG,
    JPEGLSNearLossless: Codestream.JPEG,
    JPEG2000Lossless: Codestream.JPEG_2000,
    JPEG2000Lossy: Codestream.JPEG_2000,
    HTJ2KLossless: Codestream.JPEG_2000,
    HTJ2KLosslessRPCL: Codestream.JPEG_2000,
    HTJ2K: Codestream.JPEG_2000,
}
"""One codestream for each frame, and its kind."""

LOSSY = frozenset({JPEGLSNearLossless, JPEG2000Lossy, HTJ2K})
"""These may change values by a few Hounsfield units."""

READABLE = NATIVE | COMPRESSED.keys()
