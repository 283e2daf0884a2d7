"""Programs of others that judge a file we wrote."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray


def dciodvfy_errors(file: Path) -> list[str]:
    """What David Clunie's validator finds wrong."""
    verdict = subprocess.run(
        [_program("dciodvfy"), file], capture_output=True, text=True, check=False
    )
    return [line for line in verdict.stderr.splitlines() if line.startswith("Error")]


def plastimatch_masks(rtstruct: Path, ct: Path, folder: Path) -> dict[str, NDArray[np.bool_]]:
    """(slices, rows, columns) masks by ROI name, as plastimatch fills them on the CT's grid.

    Of an axial scan, head first supine: its slices ascend with z.
    """
    subprocess.run(
        [
            _program("plastimatch"),
            "convert",
            *("--input", rtstruct),
            *("--referenced-ct", ct),
            *("--output-prefix", folder),
            *("--prefix-format", "mha"),
        ],
        capture_output=True,
        check=True,
    )
    return {image.stem: _read_mask(image) for image in folder.glob("*.mha")}


def _read_mask(image: Path) -> NDArray[np.bool_]:
    header, values = image.read_bytes().split(b"ElementDataFile = LOCAL\n", 1)
    fields = dict(line.split(" = ", 1) for line in header.decode().splitlines())
    columns, rows, slices = (int(n) for n in fields["DimSize"].split())
    return np.frombuffer(values, np.uint8).reshape(slices, rows, columns) > 0


def _program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed: run scripts/setup test")
    return path
