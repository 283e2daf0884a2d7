"""The page at `/`: what comes in and the newest jobs, as tables that keep themselves up to date."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from html import escape
from string import Template
from urllib.parse import urlencode

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from contouring.structures import Status
from service.access.declarations import ProjectOf, needs
from service.access.roles import Permission
from service.arrivals_table import build_arrivals_table
from service.context import ContextOf
from workers.deliveries import Delivery
from workers.job_store import JobFilter
from workers.jobs import Job, JobState, OutputRecord

ROWS = 100
REFRESH_SECONDS = 2

# Only the table is replaced, so that a reader's place and focus elsewhere stay.
SCRIPT = f"""
setInterval(async () => {{
  if (document.hidden) return;
  const answer = await fetch("/", {{cache: "no-store"}}).catch(() => null);
  document.getElementById("offline").hidden = Boolean(answer && answer.ok);
  if (!answer || !answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById("jobs"), shown = document.getElementById("jobs");
  if (fresh && fresh.innerHTML !== shown.innerHTML) shown.replaceWith(fresh);
}}, {REFRESH_SECONDS * 1000});
"""

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #767676; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin-bottom: 0; }
h2 { font-size: 1.1rem; margin: 1.2rem 0 .2rem; }
p { margin-top: .3rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .5rem .6rem; text-align: left;
  vertical-align: top; }
th { font-weight: 600; white-space: nowrap; }
code { font-size: .85em; overflow-wrap: anywhere; }
td a { white-space: nowrap; }
progress { display: block; width: 8rem; }
small { display: block; }
ul { margin: 0; padding-left: 1.1rem; }
.state { border: 1px solid currentColor; border-radius: 1rem; padding: .05rem .6rem; }
.done { color: light-dark(#17692e, #6fd28a); }
.failed, .poisoned { color: light-dark(#b3261e, #ff8a80); }
.refused, .retry, .partial, .held, .incomplete, .set-aside { color: light-dark(#8a5300, #ffb95c); }
.running { color: light-dark(#1451a8, #8ab4f8); }
"""

PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Oarlock: jobs</title>
<style>$style</style>
</head>
<body>
<main>
<h1>Oarlock</h1>
<p>Contours are drafts by AI and not reviewed. The newest $rows jobs; all of them are at
<a href="/v1/jobs">/v1/jobs</a>, the models at <a href="/v1/models">/v1/models</a>, the templates at
<a href="/v1/templates">/v1/templates</a>, and all that came in at
<a href="/v1/arrivals">/v1/arrivals</a>.</p>
<p id="offline" role="status" hidden>The server does not answer; this page tries again.</p>
<noscript><p>Reload this page to see what has changed.</p></noscript>
$table
</main>
<script>$script</script>
</body>
</html>
""")

_SCRIPT_HASH = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; connect-src 'self'; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{_SCRIPT_HASH}'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
}

router = APIRouter()


@router.get("/", response_class=HTMLResponse, include_in_schema=False)
@needs(Permission.VIEW)
def show_jobs(context: ContextOf, project: ProjectOf) -> HTMLResponse:
    """The newest jobs as a page."""
    page = context.jobs.list_page(JobFilter(project=project), ROWS)
    deliveries = context.outbox.list_by_job([job.id for job in page.jobs])
    arrivals = context.arrivals.list_page(ROWS, project=project)
    coming = build_arrivals_table(map(context.identities.reveal_arrival, arrivals))
    jobs = tuple(map(context.identities.reveal_job, page.jobs))
    table = f'<div id="jobs">{coming}{_build_table(jobs, deliveries)}</div>'
    html = PAGE.substitute(style=STYLE, script=SCRIPT, rows=ROWS, table=table)
    return HTMLResponse(html, headers=HEADERS)


def _build_table(jobs: tuple[Job, ...], deliveries: Mapping[str, tuple[Delivery, ...]]) -> str:
    if not jobs:
        return "<p>No jobs yet: send a CT series to <code>POST /v1/jobs</code>.</p>"
    heads = ("Created", "Series", "Model", "State", "Notes", "Results", "Deliveries")
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    rows = "\n".join(_build_row(job, deliveries[job.id]) for job in jobs)
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>\n'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _build_row(job: Job, deliveries: tuple[Delivery, ...]) -> str:
    created = job.created_at
    series = escape(job.series_description or "no description")
    cells = (
        f'<time datetime="{created.isoformat()}">{created:%Y-%m-%d %H:%M:%S} UTC</time>',
        f"{series}<small><code>{escape(job.series_instance_uid)}</code>, "
        f"{job.slice_count} slices</small>",
        escape(job.model_name),
        _build_state(job),
        _build_notes(job),
        _build_links(job),
        _build_deliveries(deliveries),
    )
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _build_state(job: Job) -> str:
    state = f'<span class="state {job.state}">{job.state}</span>'
    if job.state is not JobState.RUNNING or job.stage is None:
        return state
    percent = round(100 * job.progress)
    stage = escape(job.stage)
    return (
        f'{state}<small>{stage}, {percent} %</small><progress max="100" value="{percent}" '
        f'aria-label="Progress of stage {stage}"></progress>'
    )


def _build_notes(job: Job) -> str:
    notes = [
        *([f"Slices came late: {job.superseded_by} counts."] if job.superseded_by else []),
        *(["In shadow: it is compared and not sent."] if job.is_shadow else []),
        *([job.failure.reason] if job.failure else []),
        *_shorten_warnings(job),
    ]
    if not notes:
        return ""
    return f"<ul>{''.join(f'<li>{escape(note)}</li>' for note in notes)}</ul>"


def _shorten_warnings(job: Job) -> list[str]:
    """The warnings, with what is not in the scan on one line: a small scan lacks most organs."""
    missing = f"{Status.NOT_IN_SCAN}: "
    sources = [one.source for one in job.structures if one.status is Status.NOT_IN_SCAN]
    named = [f"{missing}{', '.join(dict.fromkeys(sources))}."] if sources else []
    return [*(one for one in job.warnings if not one.startswith(missing)), *named]


def _build_links(job: Job) -> str:
    address = f"/v1/jobs/{job.id}"
    links = [f'<a href="{address}">details</a>']
    if job.state is JobState.DONE:
        links += [_build_output_links(job, output) for output in job.outputs]
    if job.result_folder is not None:
        links += [
            f'<a href="{address}/preview.png">preview</a>',
            f'<a href="{address}/report">report</a>',
        ]
    return " ".join(links)


def _build_deliveries(deliveries: tuple[Delivery, ...]) -> str:
    """Where each stands, and why it does not move on."""
    items = []
    for one in deliveries:
        what = f"{one.destination}, {one.template or one.event}: {one.state}"
        tried = f", try {one.tries}: {one.error}" if one.error else ""
        items.append(f'<li class="{one.state}">{escape(what + tried)}</li>')
    return f"<ul>{''.join(items)}</ul>" if items else ""


def _build_output_links(job: Job, output: OutputRecord) -> str:
    address = f"/v1/jobs/{job.id}"
    files = {"RTSTRUCT": ("rtstruct", output.rtstruct)}
    if output.segmentation is not None:
        files["SEG"] = ("segmentation", output.segmentation)
    # One template needs no name beside its file.
    name = f" {output.template}" if len(job.outputs) > 1 else ""
    asked = urlencode({"template": output.template})
    return " ".join(
        f'<a href="{address}/{route}?{asked}" download="{job.id}.{escape(file)}">'
        f"{kind}{escape(name)}</a>"
        for kind, (route, file) in files.items()
    )
