"""Every trial at full length, and what it found as a page.

    python -m tests.chaos                 all; writes docs/reliability.md and the findings beside it
    python -m tests.chaos NAME ...        only these; the page keeps what it says of the others
    python -m tests.chaos --short ...     as the tests run them; nothing is written

Half an hour to two hours on two cores, and some of it needs root.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
from pathlib import Path

from tests.chaos.findings import Scale
from tests.chaos.page import Record, describe_machine, read_records, write_page, write_records
from tests.chaos.trials import TRIALS, Trial

SEED = 20_261_121


def main() -> int:
    """Run the trials that were asked for; 1 if something did not hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="trials; all of them if none is named")
    parser.add_argument("--short", action="store_true", help="as the tests run them")
    parser.add_argument("--seed", type=int, default=SEED)
    asked = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    known = {trial.name: trial for trial in TRIALS}
    unknown = set(asked.names) - set(known)
    if unknown:
        parser.error(f"no such trial: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    broken = 0
    for name in asked.names or known:
        record = _run(known[name], Scale(not asked.short, asked.seed))
        broken += sum(not finding.holds for finding in record.findings)
        if not asked.short:
            records = {**read_records(), name: record}
            write_records({name: records[name] for name in known if name in records})
            write_page(TRIALS)
    return int(broken > 0)


def _run(trial: Trial, scale: Scale) -> Record:
    print(f"{trial.name}: {trial.title}", flush=True)  # noqa: T201  # a command's own words
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        findings = trial.run(Path(folder), scale)
    record = Record(tuple(findings), scale.seed, time.monotonic() - started, describe_machine())
    for finding in findings:
        mark = "ok " if finding.holds else "NOT"
        print(f"  {mark} {finding.what}: {finding.measured}", flush=True)  # noqa: T201
    return record


if __name__ == "__main__":
    raise SystemExit(main())
