"""A rule set: the rules of a file, ready to be asked."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path

from models.yaml_files import read_content, read_yaml_file
from service.rules.conditions import All, Condition
from service.rules.decisions import Order
from service.rules.rule_file import (
    DEFAULT,
    Apply,
    KnownNames,
    Mode,
    OutcomeEntry,
    Review,
    RuleEntry,
    RuleFile,
)
from workers.jobs import PlannedDelivery


@dataclass(frozen=True)
class Rule:
    """A condition, and what follows from it: an order, or the reason for none."""

    name: str
    condition: Condition
    order: Order | None
    refusal: str | None
    is_enabled: bool = True

    @property
    def is_shadow(self) -> bool:
        """Whether it only runs beside the others."""
        return self.order is not None and self.order.is_shadow


@dataclass(frozen=True)
class RuleSet:
    """All rules in the file's order; `default` is for what no live one matches.

    `checksum`: SHA-256 (hex) of the file, empty where there is none.
    """

    rules: tuple[Rule, ...]
    default: Rule
    applies_all: bool
    file: RuleFile
    checksum: str = ""


def read_rule_set(
    path: Path, known: KnownNames | None = None, content: bytes | None = None
) -> RuleSet:
    """The rules of a file; raises `InvalidConfigurationError` with every fault and its line.

    `known`: the names that its rules may use; `content`: what it holds, if that was read already.
    """
    content = read_content(path) if content is None else content
    file = read_yaml_file(path, RuleFile, content, asdict(known or KnownNames()))
    return build_rule_set(file, hashlib.sha256(content).hexdigest())


def build_rule_set(file: RuleFile | None = None, checksum: str = "") -> RuleSet:
    """The rules of a valid file; without one, every series gets the server's defaults."""
    file = file or RuleFile(format=1)
    return RuleSet(
        rules=tuple(_build_rule(entry) for entry in file.rules),
        default=Rule(
            DEFAULT, All(()), _build_order(file.default, DEFAULT, False), file.default.refuse
        ),
        applies_all=file.apply is Apply.ALL,
        file=file,
        checksum=checksum,
    )


def _build_rule(entry: RuleEntry) -> Rule:
    order = _build_order(entry, entry.name, entry.mode is Mode.SHADOW)
    return Rule(entry.name, entry.match.build(), order, entry.refuse, entry.enabled)


def _build_order(entry: OutcomeEntry, name: str, is_shadow: bool) -> Order | None:
    """None of a rule that refuses; what runs in shadow is sent nowhere."""
    if entry.refuse is not None:
        return None
    deliveries = tuple(
        PlannedDelivery(one.name, one.template, entry.review is Review.HOLD)
        for one in entry.destinations
    )
    return Order(
        rule=name,
        model=entry.model,
        templates=entry.templates,
        priority=entry.priority,
        deliveries=() if is_shadow else deliveries,
        is_shadow=is_shadow,
    )
