"""A trial of rules as a person reads it on a terminal."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from cli.console import out
from service.rules.matching import Standing
from service.rules.rule_file import Mode, Review
from service.rules.views import (
    DeliveryPlanView,
    ExplanationView,
    ObservationView,
    OrderView,
    SeriesTrialView,
    TrialView,
)

SIGNS = {
    Standing.APPLIES: ("✔", "green"),
    Standing.SHADOW: ("◐", "cyan"),
    Standing.PASSED_OVER: ("–", "yellow"),
    Standing.NO_MATCH: ("✘", "red"),
    Standing.OFF: ("○", "dim"),
}
WORDS = {
    Standing.PASSED_OVER: "would match, but another rule counts",
    Standing.OFF: "switched off",
}
VALUES_SHOWN, LONGEST_SHOWN = 3, 60  # of what was found, and characters of each
IGNORED_SHOWN = 10


def show_trial(view: TrialView) -> None:
    """Each series with a table of its rules, and what is no series at the end."""
    for series in view.series:
        out.print(_build_head(series))
        out.print(_build_table(series.rules))
        out.print(_build_outcome(series))
    for refused in view.refused:
        text = Text("✘ cannot be contoured", style="bold red")
        text.append(f"  {refused.description or 'no description'}\n", style="not bold default")
        text.append(
            f"    {refused.refusal.name}: {refused.refusal.text}\n", style="not bold default"
        )
        out.print(text, soft_wrap=True)
    if view.ignored:
        rest = len(view.ignored) - IGNORED_SHOWN
        lines = [f"Left out ({len(view.ignored)}):", *view.ignored[:IGNORED_SHOWN]]
        if rest > 0:
            lines.append(f"and {rest} more; --json names them all")
        out.print(Text("\n    ".join(lines)), soft_wrap=True)


def _build_head(series: SeriesTrialView) -> Text:
    text = Text(f"{series.description or 'no description'}, {series.slices} slices", style="bold")
    text.append(f"\n{series.series_instance_uid}", style="dim not bold")
    text.append(f"\nbody part: {series.body_part} ({series.body_part_reason})", style="not bold")
    return text


def _build_table(explanations: list[ExplanationView]) -> Table:
    table = Table("", "rule", "asked", "found", box=SIMPLE_HEAD, pad_edge=False)
    for one in explanations:
        sign, colour = SIGNS[one.standing]
        start = Text(sign, style=colour), Text(one.rule, style=colour)
        rows = [] if one.standing is Standing.OFF else [_build_cells(said) for said in one.because]
        if one.standing in WORDS or not rows:
            words = WORDS.get(one.standing, "no other rule counts")
            rows.insert(0, (Text(words, style="dim"), Text()))
        for number, cells in enumerate(rows):
            table.add_row(*(start if number == 0 else ("", "")), *cells)
    return table


def _build_cells(observation: ObservationView) -> tuple[Text, Text]:
    asked = Text(observation.attribute).append(f" {observation.wanted}", style="dim")
    found = [value[:LONGEST_SHOWN] for value in observation.found[:VALUES_SHOWN]]
    more = ", ..." if len(observation.found) > VALUES_SHOWN else ""
    missing = Text("missing", style="dim italic")
    return asked, Text(", ".join(found) + more) if found else missing


def _build_outcome(series: SeriesTrialView) -> Text:
    if series.refusal is not None:
        text = Text("→ no job", style="bold red")
        text.append(f": {series.refused_by} refuses: {series.refusal}\n", style="not bold default")
        return text
    return Text("\n").join([*map(_build_order, series.jobs), Text()])


def _build_order(order: OrderView) -> Text:
    is_shadow = order.mode is Mode.SHADOW
    text = Text("→ ", style="bold cyan" if is_shadow else "bold green")
    text.append("a job in shadow" if is_shadow else "a job")
    text.append(f" of {order.rule}: {order.model}, {order.priority}", style="not bold default")
    text.append(f"\n  templates: {', '.join(order.templates)}", style="not bold default")
    sent = ", ".join(map(_name_delivery, order.deliveries)) or "nowhere; it is kept here"
    text.append(f"\n  sent: {sent}", style="not bold default")
    return text


def _name_delivery(delivery: DeliveryPlanView) -> str:
    template = f" as {delivery.template}" if delivery.template else ""
    review = " once a person has looked" if delivery.review is Review.HOLD else ""
    return f"to {delivery.destination}{template}{review}"
