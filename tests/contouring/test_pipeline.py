"""The straight line from files to RTSTRUCT, held against the phantom's true contours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image

from contouring.dicom_series import read_series
from contouring.errors import JobCancelledError, NothingFoundError, SeriesRefusedError
from contouring.phantom import HEAD_AND_NECK
from contouring.phantom_deviation import deviation, drawn_contours
from contouring.phantom_scan import Scan
from contouring.phantom_series import SeriesHeader, write_phantom
from contouring.phantom_shapes import FloatArray, rotation
from contouring.pipeline import STAGES, Contouring, contour_series
from contouring.recipe import Cascade, Localizer, MaskRule, RoiRule, Segmenter
from contouring.rtstruct import Stamp
from contouring.structures import Status, Structure
from contouring.volume import build_volume
from models.bundles import RELEASED, read_bundle
from models.cascades import open_cascade
from tests.contouring.ct_files import edit, write_tiny_series
from tests.contouring.predictors import native, thresholds
from tests.phantoms import SMALL_SCAN, write_small_series

STAMP = Stamp(datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC), "0.1.0")
# Just around all structures; slices 2, 2.5 and 3.5 mm apart in turn.
UNEVEN_OFFSETS = tuple((np.cumsum(np.tile([2.0, 2.5, 3.5], 29)) - 116.0).tolist())
CLOSE_SCAN = Scan(
    rows=170,
    columns=172,
    row_spacing_mm=0.9766,
    column_spacing_mm=0.97,
    slice_offsets_mm=tuple((np.arange(78) * 3.0 - 116.0).tolist()),
    centre_mm=(1.0, 8.0, -3.0),
)
SCANS = {
    "HFP": replace(CLOSE_SCAN, position="HFP"),
    "FFS uneven": replace(CLOSE_SCAN, position="FFS", slice_offsets_mm=UNEVEN_OFFSETS),
    "HFDL": replace(CLOSE_SCAN, position="HFDL"),
    "FFDR oblique": replace(
        CLOSE_SCAN, position="FFDR", obliqueness=rotation((1.0, -2.0, 0.5), 8.0)
    ),
}


@dataclass(frozen=True)
class Run:
    """A scan of the whole phantom, contoured."""

    scan: Scan
    result: Contouring
    drawn: Mapping[str, Mapping[int, list[FloatArray]]]


@pytest.fixture(scope="module")
def commissioning() -> Cascade:
    """The bundle whose fields on the phantom are known in closed form."""
    return open_cascade(read_bundle(RELEASED / "commissioning"), threads=2)


@pytest.fixture(scope="module", params=SCANS)
def run(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, commissioning: Cascade
) -> Run:
    """One run for each scan, on shuffled files."""
    folder = tmp_path_factory.mktemp("phantom")
    scan = SCANS[request.param]
    files = write_phantom(folder, scan=scan, header=SeriesHeader(shuffle_files=True))
    result = contour_series(read_series(folder), commissioning, STAMP)
    return Run(
        scan, result, drawn_contours(pydicom.dcmread(BytesIO(result.outputs[0].rtstruct)), files)
    )


@pytest.mark.parametrize("structure", HEAD_AND_NECK.structures, ids=lambda s: s.name)
def test_every_contour_is_where_the_truth_is(run: Run, structure: object) -> None:
    """The promise of sub-voxel contours, in the patient's millimetres, in any position."""
    found = next(s for s in HEAD_AND_NECK.structures if s is structure)

    off = deviation(found.shape, run.scan, run.drawn[found.name])

    assert off.mean_mm <= 0.05
    assert off.largest_off_poles_mm <= 0.5
    assert abs(off.volume_error) <= (0.08 if found.name == "Nodule5" else 0.01)
    assert off.extra_slices == ()
    assert len(off.missed_slices) <= 2 * found.components  # specks at the poles


def test_the_report_counts_what_the_file_holds(run: Run) -> None:
    """People read the table before they open the file."""
    for account in run.result.outputs[0].accounts:
        slices = run.drawn[account.name]
        assert account.status is Status.CONTOURED
        assert account.slices == len(slices)
        assert account.contours == sum(len(contours) for contours in slices.values())


def test_a_cropped_scan_says_so_and_an_uneven_one_too(run: Run) -> None:
    """The close scan cuts through the phantom; a warning that always came would be read by none."""
    is_uneven = len(set(np.diff(run.scan.slice_offsets_mm))) > 1

    expected = [*["uneven-spacing"] * is_uneven, "truncated-field-of-view"]

    names = [warning.name for warning in run.result.warnings]

    assert names[: len(expected)] == expected
    assert "uneven-spacing" not in names[len(expected) :]


def test_every_structure_is_in_the_picture_and_the_file(run: Run) -> None:
    """Eleven of eleven."""
    picture = Image.open(BytesIO(run.result.preview_png))

    assert picture.width > 500
    assert list(run.drawn) == [structure.name for structure in HEAD_AND_NECK.structures]


def test_the_same_series_gives_the_same_bytes(tmp_path: Path, commissioning: Cascade) -> None:
    """From files in another folder and order, with another number of threads."""
    write_small_series(tmp_path / "a")
    for number, file in enumerate(sorted((tmp_path / "a").iterdir())):
        (tmp_path / "b").mkdir(exist_ok=True)
        (tmp_path / "b" / f"{99 - number}").write_bytes(file.read_bytes())
    single = open_cascade(read_bundle(RELEASED / "commissioning"), threads=1)

    first = contour_series(read_series(tmp_path / "a"), commissioning, STAMP)
    again = contour_series(read_series(tmp_path / "b"), single, STAMP)

    assert again.outputs[0].rtstruct == first.outputs[0].rtstruct
    assert again.preview_png == first.preview_png


def test_a_volume_that_was_read_before_gives_the_same_bytes(
    tmp_path: Path, commissioning: Cascade
) -> None:
    """No pixel is asked for again."""
    files = write_small_series(tmp_path)
    series = read_series(tmp_path)
    first = contour_series(series, commissioning, STAMP)
    ct = build_volume(series, lambda _: None)
    for file in files:
        edit(file, PixelData=b"\0\0")

    again = contour_series(series, commissioning, STAMP, ct=ct)

    assert again.outputs[0].rtstruct == first.outputs[0].rtstruct
    assert tuple(again.stage_seconds) == STAGES


def test_progress_runs_through_the_stages_in_order(tmp_path: Path, commissioning: Cascade) -> None:
    """A bar for each stage, from 0 to 1."""
    write_small_series(tmp_path)
    heard: list[tuple[str, float]] = []

    result = contour_series(
        read_series(tmp_path), commissioning, STAMP, progress=lambda *step: heard.append(step)
    )

    assert tuple(dict.fromkeys(stage for stage, _ in heard)) == STAGES
    for stage in STAGES:
        fractions = [fraction for name, fraction in heard if name == stage]
        assert fractions == sorted(fractions)
        assert (fractions[0], fractions[-1]) == (0.0, 1.0)
    assert tuple(result.stage_seconds) == STAGES
    assert heard == sorted(heard, key=lambda step: STAGES.index(step[0]))


@pytest.mark.parametrize("stage", STAGES)
def test_a_cancelled_job_stops_in_any_stage(
    tmp_path: Path, commissioning: Cascade, stage: str
) -> None:
    """And goes no further."""
    write_small_series(tmp_path)
    heard: list[str] = []

    def cancel(name: str, fraction: float) -> None:
        heard.append(name)
        if name == stage:
            raise JobCancelledError("7")

    with pytest.raises(JobCancelledError):
        contour_series(read_series(tmp_path), commissioning, STAMP, progress=cancel)

    assert heard[-1] == stage
    assert heard.count(stage) == 1


def bone(localizer_hu: float | None, *levels_hu: float) -> Cascade:
    """A model of one structure per threshold, on tiny scans."""
    localizer = None
    if localizer_hu is not None:
        rule = RoiRule((5.0, 5.0, 5.0), 0.0)
        localizer = Localizer(native((8, 16, 16)), rule, thresholds(localizer_hu))
    structures = tuple(
        Structure(label, f"Above{level:.0f}", (255, 0, 0))
        for label, level in enumerate(levels_hu, start=1)
    )
    segmenter = Segmenter(native((4, 16, 16)), thresholds(*levels_hu))
    return Cascade("bone", "1.0.0", "0" * 64, "numpy", localizer, segmenter, structures)


@pytest.mark.parametrize("cascade", [bone(9000.0, 700.0), bone(None, 9000.0)])
def test_a_scan_that_shows_none_of_the_structures_fails_with_advice(
    tmp_path: Path, cascade: Cascade
) -> None:
    """The head model on an abdomen: no structure set at all is better than an empty one."""
    write_tiny_series(tmp_path)

    with pytest.raises(NothingFoundError, match="found none of its structures") as stopped:
        contour_series(read_series(tmp_path), cascade, STAMP)

    assert "Not in this scan: " + cascade.structures[0].name in str(stopped.value)


def test_a_scan_without_any_anchor_fails_though_something_was_found(tmp_path: Path) -> None:
    """A spinal cord alone does not make an abdomen a head."""
    write_tiny_series(tmp_path)
    cascade = replace(bone(None, 300.0, 9000.0), anchors=("Above9000",))

    with pytest.raises(NothingFoundError, match="must find one of") as stopped:
        contour_series(read_series(tmp_path), cascade, STAMP)
    contoured = contour_series(read_series(tmp_path), replace(cascade, anchors=()), STAMP)

    assert "Not in this scan: Above9000." in str(stopped.value)
    assert contoured.outputs[0].rtstruct


@pytest.mark.parametrize("position", ["HFS", "FFDR"])
def test_both_ways_of_narrowing_and_none_give_the_same_contours(
    tmp_path: Path, position: str
) -> None:
    """Where the region holds the organ, it must not show in the lines how it was found."""
    write_small_series(tmp_path, scan=replace(SMALL_SCAN, position=position))
    stage = replace(native((24, 32, 32)), spacing_zyx_mm=(3.0, 3.0, 3.0))
    whole = bone(None, 300.0)
    rules = (RoiRule((9.0, 9.0, 9.0), 0.0), MaskRule(9.0, 0.0))
    series = read_series(tmp_path)

    plain = contour_series(series, whole, STAMP)
    narrowed = [
        contour_series(
            series, replace(whole, localizer=Localizer(stage, rule, thresholds(250.0))), STAMP
        )
        for rule in rules
    ]

    (account,) = plain.outputs[0].accounts
    assert plain.region_share == 1.0
    for result in narrowed:
        (found,) = result.outputs[0].accounts
        assert found.volume_cm3 == pytest.approx(account.volume_cm3, rel=1e-4)
        assert (found.slices, found.contours) == (account.slices, account.contours)
    by_box, by_mask = (result.region_share for result in narrowed)
    assert by_box is not None
    assert by_mask is not None
    assert 0 < by_mask < by_box < 1


def test_without_a_localizer_the_air_of_a_wide_field_may_be_left_out(tmp_path: Path) -> None:
    """The contours are the same; the report says how much of the scan was looked at."""
    write_small_series(tmp_path, scan=replace(SMALL_SCAN, rows=160, columns=192))
    whole = bone(None, 300.0)
    cropped = replace(whole, segmenter=replace(whole.segmenter, crops_to_body=True))
    series = read_series(tmp_path)

    plain, within = (contour_series(series, cascade, STAMP) for cascade in (whole, cropped))

    (wanted,), (found,) = plain.outputs[0].accounts, within.outputs[0].accounts
    assert found.volume_cm3 == pytest.approx(wanted.volume_cm3, rel=1e-4)
    assert (found.slices, found.contours) == (wanted.slices, wanted.contours)
    assert within.region_share is not None
    assert 0.02 < within.region_share < 0.5
    assert "of the body's box" in cropped.plan


def test_a_network_of_two_dimensions_draws_what_one_of_three_does(tmp_path: Path) -> None:
    """Of a voxel's own value, which needs no neighbours; slices go through the same line."""
    write_small_series(tmp_path)
    volume = bone(None, 300.0)
    slices = replace(volume, segmenter=Segmenter(native((1, 16, 16)), thresholds(300.0)))
    series = read_series(tmp_path)

    three, two = (contour_series(series, cascade, STAMP) for cascade in (volume, slices))

    (wanted,), (found,) = three.outputs[0].accounts, two.outputs[0].accounts
    assert found.volume_cm3 == pytest.approx(wanted.volume_cm3, rel=1e-4)
    assert (found.slices, found.contours) == (wanted.slices, wanted.contours)


def test_a_structure_that_was_not_found_is_reported_and_warned_of(tmp_path: Path) -> None:
    """It may have been cut off, or removed: whoever plans must know."""
    write_tiny_series(tmp_path)

    result = contour_series(read_series(tmp_path), bone(None, 700.0, 9000.0), STAMP)

    found, missing = result.outputs[0].accounts
    assert (found.name, found.status) == ("Above700", Status.CONTOURED)
    assert (missing.name, missing.status) == ("Above9000", Status.NOT_IN_SCAN)
    assert missing.volume_cm3 == 0
    (warning,) = [one for one in result.warnings if one.name == "not-in-scan"]
    assert "Above9000" in warning.text
    dataset = pydicom.dcmread(BytesIO(result.outputs[0].rtstruct))
    assert [str(roi.ROIName) for roi in dataset.StructureSetROISequence] == ["Above700"]


def test_a_structure_that_fills_the_whole_scan_is_contoured(tmp_path: Path) -> None:
    """Nothing is outside: every box is the scan's own."""
    write_tiny_series(tmp_path)

    result = contour_series(read_series(tmp_path), bone(-5000.0, -5000.0), STAMP)

    (account,) = result.outputs[0].accounts
    assert (account.slices, account.contours) == (8, 8)
    assert account.volume_cm3 == pytest.approx(18 * 22 * 8 * 2.5 / 1000, rel=0.01)


def test_pixels_that_cannot_be_read_fail_the_run_by_name(
    tmp_path: Path, commissioning: Cascade
) -> None:
    """The headers were fine when the job was accepted."""
    files = write_tiny_series(tmp_path)
    edit(files[2], PixelData=b"\0\0")

    with pytest.raises(SeriesRefusedError, match=r"CT0003\.dcm"):
        contour_series(read_series(tmp_path), commissioning, STAMP)
