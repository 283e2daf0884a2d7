"""One run of schemathesis over openapi.yaml, as somebody, and what was answered."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.api.site import NOBODY, Site
from tests.conftest import REPOSITORY

NO_SUCH_ID = "00000000-0000-4000-8000-000000000000"
SECONDS = 60  # of one request
STREAM = "GET /v1/jobs/{job_id}/events"
STREAM_SECONDS = 30
NO_ANSWER = 0
PHASES = ("examples", "coverage", "fuzzing", "stateful")
WITH_FILES = (
    "POST /v1/jobs",
    "POST /v1/check",
    "POST /v1/lint",
    "POST /v1/rules/test",
    "POST /dicom-web/studies",
    "POST /dicom-web/studies/{study}",
)
LINE = 500  # what a failure shows of a request; some are of megabytes
CONFIGURATION = """
request-timeout = {seconds}
continue-on-failure = true
# A busy machine is no fault of what is tested.
suppress-health-check = ["all"]
max-stream-events = 3
headers = {headers}

[generation]
max-examples = {examples}
database = "none"
# Keys made up would be shown in place of the one whose roles are asked for.
with-security-parameters = {makes_keys}

# DELETE cancels a job, which stays.
[checks.use_after_free]
enabled = false

[dictionaries.jobs]
values = {jobs}

[dictionaries.names]
values = ["commissioning", "generic", "margins", "with-segmentation", "nothing"]

[dictionaries.studies]
values = {studies}

[dictionaries.series]
values = {series}

[dictionaries.instances]
values = {instances}

[parameters]
"path.job_id" = {{ dictionary = "jobs", probability = 0.7 }}
"query.with" = {{ dictionary = "jobs", probability = 0.5 }}
"query.template" = {{ dictionary = "names", probability = 0.3 }}
"path.name" = {{ dictionary = "names", probability = 0.7 }}
"path.study" = {{ dictionary = "studies", probability = 0.7 }}
"path.series" = {{ dictionary = "series", probability = 0.7 }}
"path.instance" = {{ dictionary = "instances", probability = 0.7 }}

# That bytes are DICOM, that names are known and what can be searched for, no schema says.
[[operations]]
include-name = {with_files}
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", "400", "401", "403", "404", "406", "409", "413", "415", "422"]
# Of a form with bytes it cannot tell whether it breaks its schema still as it is sent: a value that
# is left out or turned into text does not.
[operations.checks.negative_data_rejection]
enabled = false

[[operations]]
include-tag = "dicomweb"
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", "400", "401", "403", "404", "406", "409", "413", "415"]

# Of a job that waits there is no second event, and no end: it is read for so long.
[[operations]]
include-path = "/v1/jobs/{{job_id}}/events"
request-timeout = {stream_seconds}
[operations.parameters]
"path.job_id" = {{ dictionary = "ended", probability = 1.0 }}

[dictionaries.ended]
values = {ended}

[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "405", "406", "409", "413", "415", "422"]
"""


@dataclass(frozen=True)
class Trial:
    """`answers`: how often an operation was answered with a status in a phase; 0: not at all.

    `slowest_seconds`: of an answer that is no stream.
    """

    who: str
    answers: Counter[tuple[str, str, int]]
    slowest_seconds: float
    has_passed: bool
    told: str


@dataclass(frozen=True)
class Plan:
    """`examples`: most cases of fuzzing for an operation; `turn`: no two trials may share it."""

    turn: int
    examples: int
    phases: tuple[str, ...] = PHASES


def run_trial(site: Site, who: str, plan: Plan, folder: Path) -> Trial:
    """Every operation in every phase of the plan."""
    folder.mkdir()
    answers, configuration = folder / "answers.jsonl", folder / "schemathesis.toml"
    answers.touch()
    site.write(folder / "site.json")
    configuration.write_text(_configure(site, who, plan.examples))
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(configuration)]
    command += ["run", str(REPOSITORY / "openapi.yaml"), "--url", site.url, "--no-color"]
    command += ["--seed", str(plan.turn + 1), "--phases", ",".join(plan.phases)]
    command += ["--warnings", "off"]
    environment = {
        "SCHEMATHESIS_HOOKS": "tests.api.hooks",
        "API_SITE": str(folder / "site.json"),
        "API_WHO": who,
        "API_TURN": str(plan.turn),
        "API_ANSWERS": str(answers),
        "PYTHONPATH": str(REPOSITORY),
        "NO_PROXY": "*",
    }
    ended = subprocess.run(
        command,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        cwd=folder,
    )
    lines = [json.loads(line) for line in answers.read_text().splitlines()]
    counted = Counter((operation, phase, status) for operation, phase, status, _ in lines)
    slowest = max((seconds for one, _, _, seconds in lines if one != STREAM), default=0.0)
    told = "\n".join(line[:LINE] for line in ended.stdout.splitlines())
    return Trial(who, counted, slowest, ended.returncode == 0, told)


def _configure(site: Site, who: str, examples: int) -> str:
    headers = "{}" if who == NOBODY else f'{{ Authorization = "Bearer {site.keys[who]}" }}'
    # As likely as a job that can be changed, one with a result.
    changed = [*site.waiting[-2:], *site.partial[-2:], *site.ended[-2:]]
    return CONFIGURATION.format(
        seconds=SECONDS,
        stream_seconds=STREAM_SECONDS,
        ended=_list([*site.done, NO_SUCH_ID]),
        headers=headers,
        examples=examples,
        with_files=_list(WITH_FILES),
        makes_keys="true" if who == NOBODY else "false",
        jobs=_list([*site.done, *site.done, *changed, NO_SUCH_ID]),
        studies=_list([site.uids["study"], "1.2.3"]),
        series=_list([site.uids["series"], "1.2.3"]),
        instances=_list([site.uids["instance"], "1.2.3"]),
    )


def _list(values: Sequence[str]) -> str:
    return json.dumps(list(values))
