"""Programs and libraries of others that judge a file we wrote."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from numpy.typing import NDArray

BoolArray = NDArray[np.bool_]

# The library asks for a function that pydicom 3 dropped, and for its paper to be cited on import.
DCMRTSTRUCT2NII = """
import sys
import pydicom
pydicom.read_file = pydicom.dcmread
from dcmrtstruct2nii import dcmrtstruct2nii
dcmrtstruct2nii(*sys.argv[1:4], gzip=False, convert_original_dicom=False)
"""


def dciodvfy_errors(file: Path) -> list[str]:
    """What David Clunie's validator finds wrong."""
    verdict = subprocess.run(
        [find_program("dciodvfy"), file],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    return [line for line in verdict.stderr.splitlines() if line.startswith("Error")]


def drtdump_warnings(rtstruct: Path) -> list[str]:
    """What dcmtk's own classes for RT objects warn of while they read the file."""
    verdict = subprocess.run(
        [find_program("drtdump"), rtstruct],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    lines = (verdict.stdout + verdict.stderr).splitlines()
    complaints = [line for line in lines if re.match(r"[WEF]: ", line)]
    return complaints or ([f"drtdump ended with {verdict.returncode}"] * (verdict.returncode != 0))


def plastimatch_masks(rtstruct: Path, ct: Path, folder: Path) -> dict[str, BoolArray]:
    """(slices, rows, columns) masks by ROI name, as plastimatch fills them on the CT's grid.

    Of an axial scan, head first supine: its slices ascend with z.
    """
    subprocess.run(
        [
            find_program("plastimatch"),
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


def dcmrtstruct2nii_masks(rtstruct: Path, ct: Path, folder: Path) -> dict[str, BoolArray]:
    """(slices, rows, columns) masks by ROI name, as dcmrtstruct2nii fills them on the CT's grid.

    Of evenly spaced slices: it knows one distance between them.
    """
    subprocess.run(
        [sys.executable, "-c", DCMRTSTRUCT2NII, rtstruct, ct, folder],
        capture_output=True,
        check=True,
    )
    return {
        image.stem.removeprefix("mask_"): _read_mask(image) for image in folder.glob("mask_*.nii")
    }


def _read_mask(image: Path) -> BoolArray:
    voxels: BoolArray = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(image)) > 0
    return voxels


def find_program(name: str, *elsewhere: str) -> str:
    """The path of an installed program, or a skip (which CI counts as a failure).

    Not of a virtual environment that is active: pynetdicom calls programs of its own as DCMTK does.
    """
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    search = os.pathsep.join(
        folder for folder in folders if not (Path(folder).parent / "pyvenv.cfg").is_file()
    )
    found = [path for place in (name, *elsewhere) if (path := shutil.which(place, path=search))]
    if not found:
        pytest.skip(f"{name} is not installed: run scripts/setup test")
    return found[0]
