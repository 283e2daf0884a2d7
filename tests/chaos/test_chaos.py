"""A little of every trial; the whole of them is `make chaos`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.chaos.findings import Scale
from tests.chaos.trials import TRIALS, Trial

SEED = 20_261_121


@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: trial.name)
def test_nothing_is_lost_doubled_or_mixed(trial: Trial, tmp_path: Path) -> None:
    """Whatever dies; how long it takes is told by `make chaos` and fails nothing here."""
    if trial.needs_root and os.geteuid() != 0:
        pytest.skip("mounts a disk, or traces a process of another group: run it as root")

    findings = trial.run(tmp_path, Scale(is_long=False, seed=SEED))

    assert [finding for finding in findings if not (finding.holds or finding.is_time)] == []
