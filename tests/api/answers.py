"""What was answered to whom: a table, and whether every operation was truly reached."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import yaml

from tests.api.site import NOBODY, REVOKED
from tests.api.trial import NO_ANSWER, Trial
from tests.conftest import REPOSITORY
from tests.service.access.role_table import read_routes

Answers = Mapping[tuple[str, str], Counter[int]]
"""How often each status was answered, by operation and by who asked."""


def list_operations() -> list[str]:
    """All of openapi.yaml, as method and path."""
    document = yaml.safe_load((REPOSITORY / "openapi.yaml").read_text())
    return [
        f"{method.upper()} {path}"
        for path, methods in document["paths"].items()
        for method in methods
    ]


def count_answers(trials: Iterable[Trial]) -> Answers:
    """Of all trials together."""
    counted: dict[tuple[str, str], Counter[int]] = {}
    for trial in trials:
        for (operation, _, status), count in trial.answers.items():
            counted.setdefault((operation, trial.who), Counter())[status] += count
    return counted


def count_phases(trials: Iterable[Trial]) -> Counter[str]:
    """How many cases each phase has sent."""
    phases: Counter[str] = Counter()
    for trial in trials:
        for (_, phase, _), count in trial.answers.items():
            phases[phase] += count
    return phases


def find_faults(answers: Answers, who: Sequence[str]) -> list[str]:
    """What was not reached as the table of roles says, and what was answered wrongly or not."""
    rows = read_routes()
    faults = []
    for operation in list_operations():
        method, path = operation.split(" ")
        row = rows[method, path]
        for one in who:
            statuses = answers.get((operation, one), Counter())
            if row["anybody"] or row.get(one) == "yes":
                is_reached, wanted = any(200 <= status < 300 for status in statuses), "2xx"
            else:
                shut = 401 if one in (NOBODY, REVOKED) else 403
                is_reached, wanted = shut in statuses, str(shut)
            if not is_reached:
                faults.append(f"{operation} as {one} was never answered with {wanted}")
            faults += [
                f"{operation} as {one}: {status or 'no answer'}"
                for status in statuses
                if status == NO_ANSWER or status >= 500
            ]
    return faults


def tabulate(answers: Answers, who: Sequence[str]) -> str:
    """A line for each operation: how often each status was answered to each."""
    heads = ("operation", *who)
    lines = [heads, ("---",) * len(heads)]
    for operation in list_operations():
        cells = [_tell(answers.get((operation, one), Counter())) for one in who]
        lines.append((f"`{operation}`", *cells))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _tell(statuses: Counter[int]) -> str:
    return " ".join(f"{status or 'none'}:{statuses[status]}" for status in sorted(statuses))
