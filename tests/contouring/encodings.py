"""CT files in every transfer syntax, written by encoders that the reader does not use."""

from __future__ import annotations

from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.encaps import encapsulate
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

NATIVE_SYNTAXES = (
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
)
LOSSLESS_SYNTAXES = (
    RLELossless,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEG2000Lossless,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
)
LOSSY_SYNTAXES = (JPEGLSNearLossless, JPEG2000, HTJ2K)
J2K_SYNTAXES = (JPEG2000Lossless, JPEG2000, HTJ2KLossless, HTJ2KLosslessRPCL, HTJ2K)
REFUSED_SYNTAXES = (JPEGBaseline8Bit, JPEGExtended12Bit, UID("1.2.840.10008.1.2.4.100"), UID(""))


def encode(file: Path, syntax: UID) -> None:
    """Write the file again in another transfer syntax."""
    dataset = pydicom.dcmread(file)
    stored = dataset.pixel_array
    dataset.file_meta.TransferSyntaxUID = syntax
    if syntax in NATIVE_SYNTAXES:
        dtype = stored.dtype.newbyteorder("<" if syntax.is_little_endian else ">")
        dataset["PixelData"].VR = "OW"
        dataset.PixelData = stored.astype(dtype).tobytes()
        pydicom.dcmwrite(
            file,
            dataset,
            implicit_vr=syntax.is_implicit_VR,
            little_endian=syntax.is_little_endian,
            force_encoding=True,
        )
        return
    planes = stored if stored.ndim == 3 else stored[None]
    write_codestreams(file, syntax, [codestream(plane, syntax) for plane in planes])


def write_codestreams(file: Path, syntax: UID, codestreams: list[bytes]) -> None:
    """Put compressed frames, sound or not, into a file."""
    dataset = pydicom.dcmread(file)
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = encapsulate(codestreams)
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(file, implicit_vr=False, little_endian=True)


def codestream(plane: NDArray[np.integer], syntax: UID) -> bytes:
    """One frame, compressed."""
    if syntax == RLELossless:
        return rle(plane)
    if syntax not in J2K_SYNTAXES:
        plane = plane.view(np.uint16)  # JPEG and JPEG-LS know no sign
    if syntax in (JPEGLossless, JPEGLosslessSV1):
        predictor = 1 if syntax == JPEGLosslessSV1 else 6
        return bytes(imagecodecs.jpeg8_encode(plane, lossless=True, predictor=predictor))
    if syntax in (JPEGLSLossless, JPEGLSNearLossless):
        return bytes(imagecodecs.jpegls_encode(plane, level=int(syntax == JPEGLSNearLossless)))
    if syntax in (JPEG2000Lossless, JPEG2000):
        return bytes(imagecodecs.jpeg2k_encode(plane, level=0, codecformat="j2k", reversible=True))
    return bytes(imagecodecs.htj2k_encode(plane, reversible=True))


def rle(plane: NDArray[np.integer]) -> bytes:
    """PS3.5 annex G, high bytes first, in literal runs only."""
    content = plane.astype(">u2").tobytes()
    segments = []
    for high_or_low in (content[0::2], content[1::2]):
        runs = [high_or_low[k : k + 128] for k in range(0, len(high_or_low), 128)]
        segment = b"".join(bytes([len(run) - 1]) + run for run in runs)
        segments.append(segment + b"\x80" * (len(segment) % 2))
    offsets = [64, 64 + len(segments[0])]
    header = np.array([2, *offsets, *[0] * 13], "<u4").tobytes()
    return header + b"".join(segments)
