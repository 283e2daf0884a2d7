"""What the table of docs/performance.md says, and that the page is what was measured."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from benchmarks.figures import (
    Aim,
    Guard,
    Measured,
    Row,
    describe_here,
    keep,
    read_record,
    show_number,
)
from benchmarks.made_anatomy import ROIS_MM, MadePredictor, find_corner, make_anatomy
from benchmarks.performance_page import PAGE, build_tables, write_page

ROW = Row("Jobs", "a job", "s", ours=1.0, peer="them", theirs=4.0, aim=Aim("at most", 0.2))


def test_the_page_tells_what_was_measured_last() -> None:
    """Its tables follow from benchmarks/performance.json and nothing else."""
    record = read_record()

    assert record
    assert build_tables(record) in PAGE.read_text("utf-8")


@pytest.mark.parametrize(
    ("aim", "is_met"),
    [(Aim("at most", 0.25), True), (Aim("at most", 0.2), False), (Aim("at least", 0.2), True)],
)
def test_an_aim_is_held_against_the_ratio_to_the_peer(aim: Aim, is_met: bool) -> None:
    """A quarter of the peer's time."""
    assert replace(ROW, aim=aim).is_met is is_met


def test_without_a_peer_an_aim_is_held_against_the_figure_itself() -> None:
    """Six seconds are six seconds."""
    assert replace(ROW, ours=6.5, theirs=None, aim=Aim("at most", 6.0)).is_met is False


def test_a_missed_aim_says_by_how_much() -> None:
    """0.25 where 0.2 was wanted is a quarter more."""
    measured = describe_here([ROW], date(2026, 1, 2))

    assert "| 0.25 | at most 0.2 | no, by 25% |" in build_tables({"jobs": measured})


@pytest.mark.parametrize(
    ("value", "shown"), [(0.08263, "0.0826"), (12.46, "12.5"), (2263.4, "2,263")]
)
def test_numbers_are_told_in_three_digits(value: float, shown: str) -> None:
    """Jobs per hour are counted."""
    assert show_number(value) == shown


def test_a_benchmark_replaces_its_own_figures_and_no_other_s(tmp_path: Path) -> None:
    """Measured again one by one, and written back the same."""
    path = tmp_path / "record.json"
    guard = Guard("made, val", 3, {"Cord": 0.8}, {"Cord": 0.79})
    first = describe_here([ROW], date(2026, 1, 2))
    keep("jobs", first, path)
    keep("guard", describe_here([], date(2026, 1, 3), guard), path)
    second = replace(first, rows=(replace(ROW, ours=0.5),))

    keep("jobs", second, path)

    record: dict[str, Measured] = read_record(path)
    assert record["jobs"] == second
    assert record["guard"].guard == guard
    assert guard.mean_fall == pytest.approx(0.01)


def test_tables_go_between_the_page_s_markers_and_leave_the_rest(tmp_path: Path) -> None:
    """What people wrote stays."""
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- tables: start -->\nold\n<!-- tables: end -->\nafter\n")

    write_page({"jobs": describe_here([ROW], date(2026, 1, 2))}, page)

    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    assert "| a job | 1 s | them: 4 s |" in text


def test_made_organs_lie_in_their_region_apart_and_are_as_large_as_they_say() -> None:
    """Counted on a fine grid, each by itself; the network's answer agrees with the labels."""
    roi_mm = ROIS_MM["small"]
    axes = tuple(np.arange(0.0, side, 1.5) for side in (270.0, 210.0, 240.0))
    anatomy = make_anatomy(15, find_corner(axes, roi_mm), roi_mm)

    labels = anatomy.label(axes)
    answered = MadePredictor(anatomy)
    answered.expect([axes])
    logits = answered.predict(np.zeros((1, *labels.shape), np.float32))[0]

    counted_cm3 = np.bincount(labels.ravel(), minlength=16)[1:] * 1.5**3 / 1000
    assert counted_cm3 == pytest.approx(anatomy.volumes_cm3, rel=0.02)
    assert (logits.argmax(axis=0) == labels).mean() > 0.9999


def test_an_organ_that_came_out_too_small_stops_the_benchmark() -> None:
    """A way that loses what it should contour is not fast, but wrong."""
    anatomy = make_anatomy(2, (0.0, 0.0, 0.0), ROIS_MM["small"])
    names = [one.name for one in anatomy.structures]
    volumes = dict(zip(names, anatomy.volumes_cm3, strict=True))

    anatomy.check(volumes)
    with pytest.raises(AssertionError, match=names[1]):
        anatomy.check({**volumes, names[1]: 0.9 * volumes[names[1]]})
