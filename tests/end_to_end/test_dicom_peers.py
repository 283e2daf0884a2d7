"""An archive and a C-STORE receiver of others take every file and change nothing in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.filereader import read_file_meta_info
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from tests.dicom_peers import EXPLICIT, IMPLICIT, Orthanc, StoreScp, run_orthanc, run_storescp
from tests.end_to_end.phantom_runs import TEMPLATES, PhantomRun

GROUP_LENGTH_END = 132 + 12  # preamble and "DICM"; then the element that holds the length
pytestmark = pytest.mark.parametrize("phantom_run", ["HFS", "FFDR"], indirect=True)


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """An archive for all tests of this file."""
    with run_orthanc(tmp_path_factory.mktemp("orthanc")) as running:
        yield running


@pytest.fixture(scope="module")
def storescp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreScp]:
    """A receiver for all tests of this file."""
    with run_storescp(tmp_path_factory.mktemp("storescp")) as running:
        yield running


@pytest.mark.parametrize("template", TEMPLATES)
def test_orthanc_gives_back_the_same_bytes(
    orthanc: Orthanc, phantom_run: PhantomRun, template: str
) -> None:
    """And has read the file: it knows what it is and how many structures it holds."""
    rtstruct = phantom_run.rtstructs[template]

    stored = orthanc.store(rtstruct)

    assert orthanc.fetch(stored) == rtstruct.read_bytes()
    tags = orthanc.read_tags(stored)
    assert tags["Modality"] == "RTSTRUCT"
    rois = tags["StructureSetROISequence"]
    assert isinstance(rois, list)
    assert len(rois) == len(dcmread(rtstruct).StructureSetROISequence)


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_receiver_of_our_own_transfer_syntax_gets_the_same_bytes(
    storescp: StoreScp, phantom_run: PhantomRun, template: str
) -> None:
    """Behind the file's own header, which each program writes anew."""
    rtstruct = phantom_run.rtstructs[template]

    arrived = storescp.send(rtstruct, IMPLICIT)

    assert dcmread(arrived).file_meta.TransferSyntaxUID == ImplicitVRLittleEndian
    assert without_header(arrived) == without_header(rtstruct)


def test_a_receiver_of_explicit_vr_gets_the_same_dataset(
    storescp: StoreScp, phantom_run: PhantomRun
) -> None:
    """Most peers agree on it: no contour may be too long for its 16-bit lengths."""
    rtstruct = phantom_run.rtstructs["generic"]

    arrived = storescp.send(rtstruct, EXPLICIT)

    received = dcmread(arrived)
    assert received.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert received == dcmread(rtstruct)


def without_header(file: Path) -> bytes:
    """The dataset's bytes, behind preamble, magic and file meta information (PS3.10 7.1)."""
    length = int(read_file_meta_info(file).FileMetaInformationGroupLength)
    return file.read_bytes()[GROUP_LENGTH_END + length :]
