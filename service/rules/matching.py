"""Which rules match a series, which of them count, and what follows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from service.rules.conditions import Judged, Observation
from service.rules.decisions import Decision, Order
from service.rules.rule_set import Rule, RuleSet
from service.rules.subject import Subject
from workers.jobs import PlannedDelivery, Priority

LONGEST_RULE = 128  # characters of the names that a job keeps


class Standing(StrEnum):
    """What became of one rule."""

    APPLIES = "applies"
    SHADOW = "applies-in-shadow"
    PASSED_OVER = "passed-over"  # it matches, and another one counts
    NO_MATCH = "does-not-match"
    OFF = "switched-off"


@dataclass(frozen=True)
class Explanation:
    """Why a rule matches, or why not.

    It may hold what a header says of the patient: it is for whoever asked, and for no log.
    """

    rule: str
    standing: Standing
    because: tuple[Observation, ...]


def decide(rule_set: RuleSet, subject: Subject) -> Decision:
    """What becomes of a series.

    Rules in shadow never keep others from counting. A refusing rule that counts refuses all.
    """
    counting = _find_counting(rule_set, _judge_all(rule_set, subject))
    refusing = next((rule for rule in counting if rule.refusal is not None), None)
    if refusing is not None:
        return Decision(refusal=refusing.refusal, refused_by=refusing.name)
    return Decision(_merge([rule.order for rule in counting if rule.order is not None]))


def explain(rule_set: RuleSet, subject: Subject) -> tuple[Explanation, ...]:
    """Every rule in the file's order and the default at the end, as `decide` sees them."""
    judged = _judge_all(rule_set, subject)
    counting = _find_counting(rule_set, judged)
    refusing = [rule for rule in counting if rule.refusal is not None][:1]
    told = [
        Explanation(
            rule.name, _find_standing(rule, found.holds, refusing or counting), found.because
        )
        for rule, found in zip(rule_set.rules, judged, strict=True)
    ]
    default = _find_standing(rule_set.default, True, refusing or counting)
    return (*told, Explanation(rule_set.default.name, default, ()))


def _judge_all(rule_set: RuleSet, subject: Subject) -> list[Judged]:
    return [rule.condition.judge(subject) for rule in rule_set.rules]


def _find_counting(rule_set: RuleSet, judged: Sequence[Judged]) -> list[Rule]:
    """The live rules that count, or else the default; then those in shadow."""
    matching = [
        rule
        for rule, found in zip(rule_set.rules, judged, strict=True)
        if found.holds and rule.is_enabled
    ]
    live = [rule for rule in matching if not rule.is_shadow]
    if not rule_set.applies_all:
        live = live[:1]
    return [*(live or [rule_set.default]), *(rule for rule in matching if rule.is_shadow)]


def _find_standing(rule: Rule, holds: bool, counting: Sequence[Rule]) -> Standing:
    if not rule.is_enabled:
        return Standing.OFF
    if not holds:
        return Standing.NO_MATCH
    if rule not in counting:
        return Standing.PASSED_OVER
    return Standing.SHADOW if rule.is_shadow else Standing.APPLIES


def _merge(orders: Iterable[Order]) -> tuple[Order, ...]:
    """One job for each model with the same templates; a live one is never run in shadow as well.

    Live orders come first.
    """
    merged: dict[tuple[str | None, frozenset[str]], Order] = {}
    for order in orders:
        key = order.model, frozenset(order.templates)
        known = merged.get(key)
        if known is None:
            merged[key] = order
        elif known.is_shadow is order.is_shadow:
            merged[key] = _join(known, order)
    return tuple(merged.values())


def _join(first: Order, second: Order) -> Order:
    rule = f"{first.rule}, {second.rule}"
    return replace(
        first,
        rule=rule if len(rule) <= LONGEST_RULE else first.rule,
        priority=max(first.priority, second.priority, key=list(Priority).index),
        deliveries=_join_deliveries((*first.deliveries, *second.deliveries)),
    )


def _join_deliveries(deliveries: Iterable[PlannedDelivery]) -> tuple[PlannedDelivery, ...]:
    """Each once; what one rule holds for review, another does not send unseen."""
    held: dict[PlannedDelivery, bool] = {}
    for delivery in deliveries:
        where = replace(delivery, is_held=False)
        held[where] = held.get(where, False) or delivery.is_held
    return tuple(replace(where, is_held=is_held) for where, is_held in held.items())
