"""What fuzzing begins with, and what it ever found, is taken by each target as it promises."""

from __future__ import annotations

import pytest

from tests.fuzz.__main__ import FINDINGS, PACKAGES
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_every_seed_and_every_finding_is_taken(name: str) -> None:
    """A finding raised something else, or took for ever, before it was mended."""
    target = TARGETS[name]
    seeds = list(target.seeds())
    findings = [path.read_bytes() for path in sorted((FINDINGS / name).glob("*"))]

    for content in (*seeds, *findings):
        target.run(content)

    assert seeds


def test_every_target_is_fuzzed() -> None:
    """The names stand apart, for what is fuzzed must not be imported before the fuzzer."""
    assert set(PACKAGES) == set(TARGETS)
