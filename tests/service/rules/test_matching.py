"""Which rules count, and what follows from them."""

from __future__ import annotations

from service.rules.decisions import Decision, Order
from service.rules.matching import Standing, decide, explain
from service.rules.rule_set import RuleSet, build_rule_set
from service.rules.subject import Subject
from tests.service.rules.subjects import build_test_subject, parse_rules
from workers.jobs import PlannedDelivery, Priority

NECK = build_test_subject(Modality="CT", SeriesDescription="Neck", PatientID="7")
THORAX = build_test_subject(Modality="CT", SeriesDescription="Thorax", PatientID="8")
CT = "{attribute: Modality, equals: CT}"
IS_NECK = "{attribute: body_part, equals: head-and-neck}"


def standings(rule_set: RuleSet, subject: Subject) -> dict[str, Standing]:
    """What became of each rule."""
    return {one.rule: one.standing for one in explain(rule_set, subject)}


def test_without_rules_a_series_gets_the_defaults() -> None:
    """As the settings say; sent nowhere."""
    assert decide(build_rule_set(), NECK) == Decision((Order("default"),))


def test_a_rule_s_words_become_an_order() -> None:
    """All of them, once."""
    rule_set = parse_rules(f"""
format: 1
rules:
- name: neck
  match: {IS_NECK}
  model: hn-oar
  templates: [eclipse, generic]
  priority: urgent
  destinations: [aria, {{name: archive, template: generic}}]
  review: hold
""")

    assert decide(rule_set, NECK) == Decision(
        (
            Order(
                rule="neck",
                model="hn-oar",
                templates=("eclipse", "generic"),
                priority=Priority.URGENT,
                deliveries=(
                    PlannedDelivery("aria", None, is_held=True),
                    PlannedDelivery("archive", "generic", is_held=True),
                ),
            ),
        )
    )


FIRST = f"""
format: 1
rules:
- {{name: off, enabled: false, match: {CT}, model: thorax-oar}}
- {{name: neck, match: {IS_NECK}, model: hn-oar}}
- {{name: any-ct, match: {CT}, model: thorax-oar, destinations: [aria]}}
default: {{refuse: Nothing is known of such a series.}}
"""


def test_the_first_live_rule_that_matches_counts() -> None:
    """The others are passed over, and one that is switched off is not asked."""
    rule_set = parse_rules(FIRST)

    assert [order.rule for order in decide(rule_set, NECK).jobs] == ["neck"]
    assert [order.rule for order in decide(rule_set, THORAX).jobs] == ["any-ct"]
    assert standings(rule_set, NECK) == {
        "off": Standing.OFF,
        "neck": Standing.APPLIES,
        "any-ct": Standing.PASSED_OVER,
        "default": Standing.PASSED_OVER,
    }


def test_what_no_rule_matches_gets_the_default() -> None:
    """Which may refuse it."""
    rule_set = parse_rules(FIRST)
    other = build_test_subject(Modality="PT")

    decision = decide(rule_set, other)

    assert decision == Decision((), "Nothing is known of such a series.", "default")
    assert standings(rule_set, other)["default"] is Standing.APPLIES


def test_a_default_without_rules_counts_for_everything() -> None:
    """A site with one planning system needs no more."""
    rule_set = parse_rules("format: 1\ndefault: {destinations: [aria]}")

    assert decide(rule_set, NECK).jobs == (Order("default", deliveries=(PlannedDelivery("aria"),)),)


def test_with_apply_all_every_live_rule_that_matches_makes_its_job() -> None:
    """Two models for one scan."""
    rule_set = parse_rules(FIRST.replace("format: 1", "format: 1\napply: all"))

    assert [order.rule for order in decide(rule_set, NECK).jobs] == ["neck", "any-ct"]


def test_jobs_of_the_same_model_and_templates_are_one() -> None:
    """One run of the networks for all that want it; the more careful and the more urgent wins."""
    rule_set = parse_rules(f"""
format: 1
apply: all
rules:
- {{name: a, match: {CT}, model: hn-oar, templates: [generic, eclipse], destinations: [aria]}}
- name: b
  match: {CT}
  model: hn-oar
  templates: [eclipse, generic]
  destinations: [aria, archive]
  review: hold
  priority: urgent
""")

    (order,) = decide(rule_set, NECK).jobs

    assert (order.rule, order.priority) == ("a, b", Priority.URGENT)
    assert order.deliveries == (
        PlannedDelivery("aria", is_held=True),
        PlannedDelivery("archive", is_held=True),
    )


def test_a_job_of_many_rules_keeps_a_name_that_can_be_stored() -> None:
    """A column has its width."""
    rules = "".join(f"- {{name: {'rule-' * 7}{number}, match: {CT}}}\n" for number in range(9))
    rule_set = parse_rules(f"format: 1\napply: all\nrules:\n{rules}")

    (order,) = decide(rule_set, NECK).jobs

    assert order.rule.startswith("rule-")
    assert len(order.rule) <= 128


REFUSING = f"""
format: 1
apply: APPLY
rules:
- {{name: any-ct, match: {CT}, model: hn-oar}}
- {{name: no-necks, match: {IS_NECK}, refuse: Necks are drawn by hand.}}
- {{name: trial, mode: shadow, match: {CT}, model: thorax-oar}}
"""


def test_with_apply_all_one_refusal_refuses_all() -> None:
    """Also what would have run in shadow."""
    rule_set = parse_rules(REFUSING.replace("APPLY", "all"))

    assert decide(rule_set, NECK) == Decision((), "Necks are drawn by hand.", "no-necks")
    assert standings(rule_set, NECK) == {
        "any-ct": Standing.PASSED_OVER,
        "no-necks": Standing.APPLIES,
        "trial": Standing.PASSED_OVER,
        "default": Standing.PASSED_OVER,
    }
    assert [order.rule for order in decide(rule_set, THORAX).jobs] == ["any-ct", "trial"]


def test_with_apply_first_a_refusal_behind_a_match_does_not_count() -> None:
    """The order of the file is what counts."""
    rule_set = parse_rules(REFUSING.replace("APPLY", "first"))

    assert [order.rule for order in decide(rule_set, NECK).jobs] == ["any-ct", "trial"]


def test_a_shadow_runs_beside_the_rule_that_counts_and_sends_nothing() -> None:
    """Wherever it stands in the file: a trial must not change what patients get."""
    rule_set = parse_rules(f"""
format: 1
rules:
- {{name: trial, mode: shadow, match: {CT}, model: thorax-oar, destinations: [aria]}}
- {{name: neck, match: {IS_NECK}, model: hn-oar, destinations: [aria]}}
""")

    live, shadow = decide(rule_set, NECK).jobs

    assert (live.rule, live.is_shadow, live.deliveries) == (
        "neck",
        False,
        (PlannedDelivery("aria"),),
    )
    assert (shadow.rule, shadow.is_shadow, shadow.deliveries) == ("trial", True, ())
    assert standings(rule_set, NECK)["trial"] is Standing.SHADOW
    assert [order.rule for order in decide(rule_set, THORAX).jobs] == ["default", "trial"]


def test_a_shadow_of_the_very_job_that_runs_live_is_dropped() -> None:
    """It would be compared with itself."""
    rule_set = parse_rules(f"""
format: 1
rules:
- {{name: neck, match: {IS_NECK}, model: hn-oar}}
- {{name: trial, mode: shadow, match: {CT}, model: hn-oar}}
""")

    assert [order.rule for order in decide(rule_set, NECK).jobs] == ["neck"]


def test_an_explanation_names_what_kept_a_rule_from_matching() -> None:
    """And of one that matches, what made it match."""
    told = {one.rule: one.because for one in explain(parse_rules(FIRST), THORAX)}

    (missed,), (met,) = told["neck"], told["any-ct"]
    assert (missed.attribute, missed.found) == ("body_part", ("thorax",))
    assert (met.attribute, met.found) == ("Modality", ("CT",))
