"""Where a written object comes from: identity, origin and time."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from contouring.dicom_series import CTSeries
from contouring.provenance import Origin, Stamp, derive_uid, on_clock_of
from contouring.template import Template
from tests.contouring.tiny_structure_sets import ORIGIN, STAMP, tiny_series

GENERIC = Template("generic", checksum="ab" * 32)


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> CTSeries:
    """Eight slices, made five hours west of Greenwich."""
    return tiny_series(tmp_path_factory.mktemp("ct"), {"TimezoneOffsetFromUTC": "-0500"})


def test_a_uid_is_a_uuid_of_version_8(series: CTSeries) -> None:
    """What stands under 2.25 must be a UUID (PS3.5 B.2); 8 is the one made of a hash."""
    uid = derive_uid("instance", series, ORIGIN, STAMP, GENERIC)

    number = uuid.UUID(int=int(uid.removeprefix("2.25.")))

    assert number.version == 8
    assert number.variant == uuid.RFC_4122


@pytest.mark.parametrize(
    ("role", "origin", "stamp", "template"),
    [
        ("series", ORIGIN, STAMP, GENERIC),
        ("instance", replace(ORIGIN, name="other"), STAMP, GENERIC),
        ("instance", replace(ORIGIN, version="9.9.9"), STAMP, GENERIC),
        ("instance", replace(ORIGIN, checksum="0" * 64), STAMP, GENERIC),
        ("instance", replace(ORIGIN, runtime="OpenVINO"), STAMP, GENERIC),
        ("instance", replace(ORIGIN, plan="windows 96x96x96"), STAMP, GENERIC),
        ("instance", ORIGIN, replace(STAMP, software_version="9"), GENERIC),
        ("instance", ORIGIN, replace(STAMP, made_at=STAMP.made_at + timedelta(0, 1)), GENERIC),
        ("instance", ORIGIN, STAMP, replace(GENERIC, name="eclipse")),
        ("instance", ORIGIN, STAMP, replace(GENERIC, checksum="cd" * 32)),
    ],
)
def test_whatever_decides_a_file_decides_its_uid(
    series: CTSeries, role: str, origin: Origin, stamp: Stamp, template: Template
) -> None:
    """Other content under a known UID would be dropped, or mixed up, by an archive."""
    uid = derive_uid("instance", series, ORIGIN, STAMP, GENERIC)

    assert derive_uid("instance", series, ORIGIN, STAMP, GENERIC) == uid
    assert derive_uid(role, series, origin, stamp, template) != uid


def test_the_parameters_tell_all_that_is_known(series: CTSeries) -> None:
    """Whoever wants the same contours again needs these, and nothing made up."""
    origin = replace(ORIGIN, checksum="1f", runtime="ONNX Runtime (CPU)", plan="windows 96x96x96")

    everything = origin.parameters(replace(GENERIC, checksum="ab"))
    little = Origin("m", "1", "1f").parameters(Template("generic"))

    assert everything == (
        "model sha256 1f; runtime ONNX Runtime (CPU); windows 96x96x96; template generic; "
        "template sha256 ab"
    )
    assert little == "model sha256 1f; template generic"


def test_times_stand_on_the_clock_of_the_ct(series: CTSeries, tmp_path: Path) -> None:
    """The file says the CT's offset, so its times must be meant by it."""
    without = tiny_series(tmp_path)

    assert on_clock_of(series, STAMP.made_at).strftime("%H%M%S %z") == "000607 -0500"
    assert on_clock_of(without, STAMP.made_at) is STAMP.made_at
