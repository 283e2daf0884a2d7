"""What every test may ask for: the patients' folder. In CI nothing may be skipped."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.keys import ENVIRONMENT

REPOSITORY = Path(__file__).resolve().parents[1]
OPENKBP = REPOSITORY.parent / "shared" / "openkbp"
IN_CI = os.environ.get("CI") == "true"

# Also of every process that a test starts.
os.environ.update(ENVIRONMENT)

if "PYTEST_XDIST_WORKER" in os.environ:
    # Before anything reads it: threads of several processes that spin on the same cores wait for
    # each other more than they compute.
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def openkbp() -> Path:
    """The folder of head-and-neck patients that lies beside the repository."""
    if not (OPENKBP / "splits.json").is_file():
        pytest.skip(f"the patients' data is not at {OPENKBP}")
    return OPENKBP


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a skipped test fails, for a skip hides a missing part; only a GPU may be missing."""
    report = yield
    expected = hasattr(report, "wasxfail") or item.get_closest_marker("gpu") is not None
    if IN_CI and report.skipped and not expected:
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a whole file that skips itself."""
    report = yield
    if IN_CI and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {report.longrepr}"
    return report
