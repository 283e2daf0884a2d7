"""Lint is never at a loss, whatever stands in a file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.datadict import keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from contouring.lint import lint_structure_set
from contouring.phantom_shapes import Sphere
from tests.contouring.lint_spoilers import explicit
from tests.contouring.structure_sets import Released, changed, release, set_raw


@pytest.fixture(scope="module")
def small() -> Released:
    """One ball on five slices, so that thousands of its faults can be tried."""
    return release({"Ball": Sphere((5.3, -2.1, 119.7), 6.0)})


@given(
    st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=8)), max_size=4),
    st.floats(0.3, 1),
    st.booleans(),
)
def test_no_rubbish_in_the_bytes_makes_it_fail(
    small: Released, patches: list[tuple[float, bytes]], share_kept: float, is_explicit: bool
) -> None:
    """Whatever stands where, the answer is a list of findings."""
    content = bytearray(explicit(small.content) if is_explicit else small.content)
    for place, patch in patches:
        start = 132 + int(place * (len(content) - 140))
        content[start : start + len(patch)] = patch

    findings = lint_structure_set(bytes(content[: int(share_kept * len(content))]), small.series)

    assert all(finding.text for finding in findings)


VALUES = st.one_of(
    st.none(),
    st.binary(max_size=20),
    st.sampled_from(
        [
            b"",
            b"-1",
            b"1e400",
            b"nan",
            b"1\\2\\3",
            b"0\\0\\0\\0\\0\\0\\0\\0\\0",
            b"\x1b$B",
            b"9" * 70,
        ]
    ),
)


@given(st.lists(st.tuples(st.integers(0, 10**6), VALUES), min_size=1, max_size=5))
def test_no_attribute_is_needed_for_an_answer(
    small: Released, changes: list[tuple[int, bytes | None]]
) -> None:
    """Any of them may be missing, empty or rubbish, wherever it stands."""

    def change(dataset: Dataset) -> None:
        for number, value in changes:
            places = list(_elements(dataset))
            item, keyword = places[number % len(places)]
            if value is None or item[keyword].VR == "SQ":
                del item[keyword]
            else:
                set_raw(item, keyword, value)

    content = changed(small.content, change)

    findings = lint_structure_set(content, small.series)

    assert all(finding.where for finding in findings)


def _elements(dataset: Dataset) -> Iterator[tuple[Dataset, str]]:
    for tag in list(dataset.keys()):
        element = dataset.get_item(tag)
        yield dataset, keyword_for_tag(tag)
        if isinstance(element, DataElement) and element.VR == "SQ":
            for item in element.value:
                yield from _elements(item)
