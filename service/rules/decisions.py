"""What rules decide about a series."""

from __future__ import annotations

from dataclasses import dataclass

from workers.jobs import PlannedDelivery, Priority


@dataclass(frozen=True)
class Order:
    """A job to make of a series; None and no templates mean the settings' own.

    `rule`: the name of the one that orders it, empty where a person does. A shadow's result is
    compared and stays here.
    """

    rule: str = ""
    model: str | None = None
    templates: tuple[str, ...] = ()
    priority: Priority = Priority.NORMAL
    deliveries: tuple[PlannedDelivery, ...] = ()
    is_shadow: bool = False


@dataclass(frozen=True)
class Decision:
    """The jobs of a series, or why it has none; `refused_by`: the rule that refuses it."""

    jobs: tuple[Order, ...] = ()
    refusal: str | None = None
    refused_by: str = ""
