"""One anatomy, several templates: what each gets, and what never leaves."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest

from contouring import drafts
from contouring.derivations import BodyOutline, DerivedStructure, Difference, Expansion, Margins
from contouring.dicom_series import CTSeries, read_series
from contouring.errors import DerivationError, ReleaseCheckError, StructureSetError
from contouring.pipeline import contour_series
from contouring.provenance import Stamp
from contouring.recipe import Cascade, Segmenter
from contouring.structures import Status, Structure
from contouring.template import Template, WantedStructure
from tests.contouring.predictors import FunctionPredictor, native, thresholds
from tests.phantoms import write_small_series

STAMP = Stamp(datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC), "0.1.0")
BALL, NOTHING = Structure(1, "Ball", (255, 0, 0)), Structure(2, "Nothing", (0, 255, 0))
BODY = DerivedStructure(Structure(0, "BODY", (1, 2, 3), interpreted_type="EXTERNAL"), BodyOutline())
GROWN = DerivedStructure(
    Structure(0, "Ball_PRV03", (1, 2, 3)), Expansion("Ball", Margins.even(3.0))
)
OF_NOTHING = DerivedStructure(Structure(0, "Rest", (1, 2, 3)), Difference("Nothing", ("Ball",)))


@pytest.fixture
def network() -> FunctionPredictor:
    """Sees the ball, whose border the phantom encodes at 710 HU, and nothing else."""
    return thresholds(710.0, 9000.0)


@pytest.fixture
def cascade(network: FunctionPredictor) -> Cascade:
    """A model of two structures, one of which is never there."""
    segmenter = Segmenter(native((32, 64, 64)), network)
    return Cascade("balls", "1.0.0", "0" * 64, "numpy", None, segmenter, (BALL, NOTHING))


@pytest.fixture
def series(tmp_path: Path) -> CTSeries:
    """A ball of 12 mm radius."""
    write_small_series(tmp_path)
    return read_series(tmp_path)


def _roi_names(rtstruct: bytes) -> list[str]:
    dataset = pydicom.dcmread(BytesIO(rtstruct))
    return [str(roi.ROIName) for roi in dataset.StructureSetROISequence]


def test_one_run_of_the_network_serves_every_template(
    series: CTSeries, cascade: Cascade, network: FunctionPredictor
) -> None:
    """A planning system and an archive may want other names of the same contours."""
    renamed = Template("site", structures=(WantedStructure("Ball", name="Kugel"),))
    contour_series(series, cascade, STAMP)
    windows = len(network.windows)

    result = contour_series(series, cascade, STAMP, [Template("generic"), renamed])

    assert len(network.windows) == 2 * windows
    assert [(one.template, _roi_names(one.rtstruct)) for one in result.outputs] == [
        ("generic", ["Ball"]),
        ("site", ["Kugel"]),
    ]
    uids = {pydicom.dcmread(BytesIO(one.rtstruct)).SOPInstanceUID for one in result.outputs}
    assert len(uids) == 2


def test_derived_structures_stand_beside_the_models(series: CTSeries, cascade: Cascade) -> None:
    """A margin of 3 mm on a ball of 12 mm, and a body around both."""
    template = Template("plan", derived=(GROWN, BODY))

    (output,) = contour_series(series, cascade, STAMP, [template]).outputs

    volumes = {account.name: account.volume_cm3 for account in output.accounts}
    assert _roi_names(output.rtstruct) == ["Ball", "Ball_PRV03", "BODY"]
    assert volumes["Ball_PRV03"] / volumes["Ball"] == pytest.approx((15 / 12) ** 3, rel=0.01)
    assert volumes["BODY"] > volumes["Ball_PRV03"]
    assert {one.name for one in output.release.agreements} == {"Ball", "Ball_PRV03", "BODY"}


def test_a_derived_structure_without_its_source_is_accounted_for(
    series: CTSeries, cascade: Cascade
) -> None:
    """A missing margin must be seen by whoever plans; the rest is still of use."""
    result = contour_series(series, cascade, STAMP, [Template("plan", derived=(OF_NOTHING,))])

    (rest,) = [one for one in result.outputs[0].accounts if one.name == "Rest"]
    assert rest.status is Status.FAILED
    assert "Nothing, of which it is made, was not found" in rest.reason
    assert any("Rest: The derived structure" in str(warning) for warning in result.warnings)


def test_a_template_that_the_model_cannot_serve_fails_before_the_network_runs(
    series: CTSeries, cascade: Cascade, network: FunctionPredictor
) -> None:
    """A rule for another body part is a mistake of the set-up: loud, and at once."""
    of_heart = replace(GROWN, derivation=Expansion("Heart", Margins.even(5.0)))

    with pytest.raises(DerivationError, match="does not draw Heart"):
        contour_series(series, cascade, STAMP, [Template("chest", derived=(of_heart,))])

    assert network.windows == []


@pytest.mark.parametrize("keeps_empty", [True, False])
def test_a_template_that_finds_nothing_writes_nothing(
    series: CTSeries, cascade: Cascade, keeps_empty: bool
) -> None:
    """An empty structure set looks like a finished one."""
    template = Template("empty", structures=(WantedStructure("Nothing"),), keeps_empty=keeps_empty)

    with pytest.raises(StructureSetError, match="Nothing: The model found none of it"):
        contour_series(series, cascade, STAMP, [template])


def test_a_segmentation_is_written_where_it_is_asked_for(
    series: CTSeries, cascade: Cascade
) -> None:
    """For readers of masks; the structure set stays the first output."""
    result = contour_series(
        series, cascade, STAMP, [Template("plain"), Template("masks", with_segmentation=True)]
    )

    plain, masks = result.outputs
    assert plain.segmentation is None
    assert masks.segmentation is not None
    assert pydicom.dcmread(BytesIO(masks.segmentation)).Modality == "SEG"


def test_a_file_that_does_not_hold_what_the_network_said_never_leaves(
    series: CTSeries, cascade: Cascade, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that mirrors: the best-known open tool did so for years, in silence."""
    write = drafts.write_structure_set

    def mirror(*arguments: Any) -> bytes:
        dataset = pydicom.dcmread(BytesIO(write(*arguments)))
        for item in dataset.ROIContourSequence:
            for contour in item.ContourSequence:
                values = [float(value) for value in contour.ContourData]
                values[::3] = [-value for value in values[::3]]
                contour.ContourData = [f"{value:.3f}" for value in values]
        buffer = BytesIO()
        dataset.save_as(buffer)
        return buffer.getvalue()

    monkeypatch.setattr(drafts, "write_structure_set", mirror)

    with pytest.raises(ReleaseCheckError, match="Ball") as error:
        contour_series(series, cascade, STAMP)

    withheld = error.value.withheld
    assert withheld is not None
    assert withheld.release.breaches == error.value.breaches
    assert "Ball" in {account.name for account in withheld.accounts}
