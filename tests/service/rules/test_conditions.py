"""Conditions obey logic, and tell what decided."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from service.rules.attributes import FACTS, find_attribute
from service.rules.conditions import All, AnyOf, Asked, Condition, Not
from service.rules.questions import Contains, Equals, InRange
from tests.service.rules.subjects import build_test_subject, parse_condition

SUBJECT = build_test_subject(Modality="CT", SeriesDescription="Neck 2.5 mm")

ASKED = (
    Asked(find_attribute("Modality"), Equals(("CT",))),
    Asked(find_attribute("Modality"), Equals(("MR",))),
    Asked(find_attribute("PatientComments"), Contains("a")),  # missing
    Asked(find_attribute("SeriesDescription"), Contains("neck")),
    Asked(FACTS["series.slices"], InRange(high=100)),
    Asked(FACTS["series.spacing_mm"], InRange(2, 3)),
)
CONDITIONS = st.recursive(
    st.sampled_from(ASKED),
    lambda parts: st.one_of(
        st.builds(Not, parts),
        st.builds(All, st.lists(parts, max_size=3).map(tuple)),
        st.builds(AnyOf, st.lists(parts, max_size=3).map(tuple)),
    ),
    max_leaves=8,
)


def holds(condition: Condition) -> bool:
    """For the one subject of this file."""
    return condition.judge(SUBJECT).holds


@given(CONDITIONS)
def test_not_turns_a_condition_round(condition: Condition) -> None:
    """Twice is as before."""
    assert holds(Not(condition)) is not holds(condition)
    assert Not(Not(condition)).judge(SUBJECT) == condition.judge(SUBJECT)


@given(st.lists(CONDITIONS, max_size=4).map(tuple))
def test_all_and_any_are_each_other_s_opposites(parts: tuple[Condition, ...]) -> None:
    """De Morgan, with the reasons as well."""
    opposites = tuple(Not(part) for part in parts)

    assert Not(All(parts)).judge(SUBJECT) == AnyOf(opposites).judge(SUBJECT)
    assert Not(AnyOf(parts)).judge(SUBJECT) == All(opposites).judge(SUBJECT)


@given(st.lists(CONDITIONS, max_size=4).map(tuple))
def test_all_and_any_are_those_of_their_parts(parts: tuple[Condition, ...]) -> None:
    """Of no parts, all hold and none does."""
    assert holds(All(parts)) is all(map(holds, parts))
    assert holds(AnyOf(parts)) is any(map(holds, parts))


@given(CONDITIONS, CONDITIONS, CONDITIONS)
def test_all_is_distributive_over_any(a: Condition, b: Condition, c: Condition) -> None:
    """So that a site may write its rules either way round."""
    assert holds(All((a, AnyOf((b, c))))) is holds(AnyOf((All((a, b)), All((a, c)))))


@given(CONDITIONS)
def test_every_reason_that_is_told_is_one(condition: Condition) -> None:
    """A rule that fails names nothing that was as asked, and one that matches all that was."""
    plain = {(one.attribute.name, str(one.question)): holds(one) for one in ASKED}

    judged = condition.judge(SUBJECT)

    for told in judged.because:
        question = told.wanted.removeprefix("not ")
        is_as_asked = plain[told.attribute, question] is (question == told.wanted)
        assert is_as_asked is judged.holds


def test_a_reason_says_what_was_asked_and_what_was_found() -> None:
    """That is how a rule gets mended."""
    condition = parse_condition(
        "{all: [{attribute: Modality, equals: CT}, {not: {attribute: SeriesDescription, "
        "contains: neck}}, {attribute: series.slices, range: {max: 100}}]}"
    )

    judged = condition.judge(SUBJECT)

    assert not judged.holds
    assert [(told.attribute, told.wanted, told.found) for told in judged.because] == [
        ("SeriesDescription", 'not containing "neck"', ("Neck 2.5 mm",)),
        ("series.slices", "at most 100", ("120",)),
    ]
