"""The table of events in docs/audit.md."""

from __future__ import annotations

from workers.audit.events import FORMS

BEGIN, END = "<!-- events: python -m workers.audit -->\n", "\n<!-- end -->"


def build_table() -> str:
    """A row for each event, as it is told to an audit repository."""
    rows = [
        ("event", "EventID", "action", "EventTypeCode", "when"),
        ("---",) * 5,
        *(
            (
                f"`{event}`",
                f"{form.id.value} {form.id.meaning}",
                form.action,
                f"{form.kind.value} {form.kind.meaning}" if form.kind else "",
                form.when,
            )
            for event, form in FORMS.items()
        ),
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def renew_table(page: str) -> str:
    """The page with the table as the code has it now."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{build_table()}{END}{after}"
