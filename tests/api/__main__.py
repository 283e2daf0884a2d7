"""Ask a whole server for everything that openapi.yaml describes, as everybody: `make fuzz-api`.

    python -m tests.api CASES

Prints who was answered what; what is wrong stands in the folder that it names at the end.
"""

from __future__ import annotations

import math
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.api.answers import count_answers, count_phases, find_faults, list_operations, tabulate
from tests.api.site import WHO, Site, run_site
from tests.api.trial import Plan, Trial, run_trial

AT_ONCE = 3
FUZZING = 0.75  # of all cases, and a little more; the other phases are as long as they are


def main(cases: int) -> int:
    """How many trials had a failure, and how many operations were not reached as they should."""
    folder = Path(tempfile.mkdtemp(prefix="oarlock-api-"))
    (folder / "site").mkdir()
    with run_site(folder / "site") as site:
        trials = _run(site, cases, folder)
    answers = count_answers(trials)
    faults = find_faults(answers, WHO)
    failed = [trial for trial in trials if not trial.has_passed]
    for trial in failed:
        (folder / f"{trial.who}.txt").write_text(trial.told)
    phases = count_phases(trials)
    lines = [
        tabulate(answers, WHO),
        *faults,
        f"{phases.total()} cases: {', '.join(f'{n} {phase}' for phase, n in phases.items())}",
        f"slowest answer: {max(trial.slowest_seconds for trial in trials):.1f} s",
        f"failed: {', '.join(trial.who for trial in failed) or 'none'}; see {folder}",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return len(faults) + len(failed)


def _run(site: Site, cases: int, folder: Path) -> list[Trial]:
    """Everybody, some at the same time, until there were as many cases."""
    examples = math.ceil(FUZZING * cases / len(WHO) / len(list_operations()))

    def run(turn: int) -> Trial:
        who = WHO[turn % len(WHO)]
        trial = run_trial(site, who, Plan(turn, examples), folder / str(turn))
        sys.stdout.write(f"{who}: {trial.answers.total()} cases\n")
        sys.stdout.flush()
        return trial

    trials: list[Trial] = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        while sum(trial.answers.total() for trial in trials) < cases:
            trials += pool.map(run, range(len(trials), len(trials) + len(WHO)))
    return trials


if __name__ == "__main__":
    sys.exit(min(1, main(int(sys.argv[1]))))
