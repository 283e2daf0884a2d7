"""What is coming in, and what came in and became no job, as a table of the page at `/`."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from workers.arrivals import Arrival, ArrivalState

SHOWN = 20
HEADS = ("Came in", "Series", "From", "State", "Objects", "Why")
# Accepted ones are jobs; what is no CT is at /v1/arrivals.
TELLING = (
    ArrivalState.RECEIVING,
    ArrivalState.JUDGING,
    ArrivalState.INCOMPLETE,
    ArrivalState.REFUSED,
    ArrivalState.SET_ASIDE,
)


def build_arrivals_table(arrivals: Iterable[Arrival]) -> str:
    """Those that a person may want to look at; empty where there are none."""
    telling = [arrival for arrival in arrivals if arrival.state in TELLING][:SHOWN]
    if not telling:
        return ""
    head = "".join(f'<th scope="col">{name}</th>' for name in HEADS)
    rows = "\n".join(_build_row(arrival) for arrival in telling)
    return (
        '<h2>Coming in</h2>\n<div class="scroll"><table>'
        f"<thead><tr>{head}</tr></thead>\n<tbody>{rows}</tbody></table></div>\n<h2>Jobs</h2>\n"
    )


def _build_row(arrival: Arrival) -> str:
    began = arrival.created_at
    cells = (
        f'<time datetime="{began.isoformat()}">{began:%Y-%m-%d %H:%M:%S} UTC</time>',
        f"{escape(arrival.description or 'no description')}"
        f"<small><code>{escape(arrival.series_instance_uid)}</code></small>",
        escape(arrival.source.name),
        f'<span class="state {arrival.state}">{arrival.state}</span>',
        _tell_count(arrival),
        _tell_why(arrival),
    )
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _tell_count(arrival: Arrival) -> str:
    if arrival.expected is None:
        return str(arrival.received)
    return f"{arrival.received} of {arrival.expected}"


def _tell_why(arrival: Arrival) -> str:
    if arrival.state is ArrivalState.RECEIVING and arrival.quiet_seconds_left is not None:
        return f"judged in {arrival.quiet_seconds_left:.0f} s if nothing more comes"
    return escape(arrival.reason)
