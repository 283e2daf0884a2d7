"""Ways of doing the same work, in turn, each in a process of its own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.turns import Run, Runs, take_turns

WAY = """
import sys
from benchmarks.turns import answer
print("what nobody asked for")
def work(watch):
    with watch.stage("first"):
        pass
    watch.seconds["second"] = {seconds}
    with open({log!r}, "a") as log:
        log.write({name!r})
    if {fails}:
        sys.exit("there is no network")
answer(work)
"""


def write_way(folder: Path, name: str, seconds: float = 1.0, fails: bool = False) -> None:
    """A module that says when it runs."""
    log = str(folder / "log")
    text = WAY.format(seconds=seconds, log=log, name=name, fails=fails)
    (folder / f"way_{name}.py").write_text(text)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where modules are found."""
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{':'.join(sys.path)}")
    return tmp_path


def test_ways_take_turns_and_the_first_run_stands_apart(folder: Path) -> None:
    """One warms the machine for the other; medians are of the warm runs."""
    for name, seconds in (("a", 2.0), ("b", 5.0)):
        write_way(folder, name, seconds)
    told: list[str] = []

    found = take_turns({"A": ("way_a",), "B": ("way_b",)}, 2, 1, told.append)

    assert (folder / "log").read_text() == "ababab"
    assert [len(runs.all) for runs in found.values()] == [3, 3]
    assert found["B"].stages["second"] == 5.0
    assert found["A"].peak_gb > 0
    assert told[0] == "A, first run"
    assert told[-1] == "B, warm run 2 of 2"


def test_a_way_that_fails_says_why(folder: Path) -> None:
    """In its own words, and no figures are made of the rest."""
    write_way(folder, "a", fails=True)

    with pytest.raises(RuntimeError, match=r"A ended with 1: .*there is no network"):
        take_turns({"A": ("way_a",)}, 1, 1, lambda _: None)


def test_a_single_run_is_its_own_median() -> None:
    """Of what takes minutes."""
    runs = Runs((Run({"a": 1.0, "b": 2.0}, 10**9),))

    assert (runs.seconds, runs.first_seconds, runs.peak_gb) == (3.0, 3.0, 1.0)
    assert Runs((Run({"a": 9.0}, 1), Run({"a": 1.0}, 1), Run({"a": 2.0}, 1))).seconds == 1.5
