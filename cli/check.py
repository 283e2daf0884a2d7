"""`oarlock check`: the verdict on a folder's CT series."""

from __future__ import annotations

import typer
from rich.text import Text

from cli.console import UNUSABLE_INPUT, AsJson, Folder, out
from cli.progress_bars import show_bar
from contouring.dicom_files import find_files, name_below
from contouring.verdicts import Outcome, judge_files
from service.judgements import CheckView, VerdictView, build_check_view

SIGNS = {
    Outcome.ACCEPTED: ("✔", "green"),
    Outcome.WARNED: ("!", "yellow"),
    Outcome.REFUSED: ("✘", "red"),
}
INDENT = "    "
IGNORED_SHOWN = 10


def check(ct_folder: Folder, as_json: AsJson = False) -> None:
    """Judge the CT series below a folder, headers and pixels, without contouring them.

    Leaves with 0 when every series is accepted, also with warnings, and with 2 when one is
    refused, or when there is none to judge.
    """
    files = find_files(ct_folder)
    with show_bar("check") as done:
        judgement = judge_files(files, name_below(ct_folder, files), done)
    view = build_check_view(judgement)
    if as_json:
        typer.echo(view.model_dump_json(indent=2))
    else:
        _show(view)
    if any(verdict.outcome is Outcome.REFUSED for verdict in view.verdicts):
        raise typer.Exit(UNUSABLE_INPUT)


def _show(view: CheckView) -> None:
    for verdict in view.verdicts:
        out.print(_build_text(verdict), soft_wrap=True)
    if view.ignored:
        rest = len(view.ignored) - IGNORED_SHOWN
        lines = [f"Left out ({len(view.ignored)}):", *view.ignored[:IGNORED_SHOWN]]
        if rest > 0:
            lines.append(f"and {rest} more; --json names them all")
        out.print(Text(f"\n{INDENT}".join(lines)), soft_wrap=True)


def _build_text(verdict: VerdictView) -> Text:
    sign, colour = SIGNS[verdict.outcome]
    text = Text()
    text.append(f"{sign} {verdict.outcome.replace('-', ' ')}", style=f"bold {colour}")
    text.append(f"  {verdict.description or 'no description'}, {verdict.slices} slices\n")
    text.append(f"{INDENT}{verdict.series_instance_uid}\n", style="dim")
    for notice in (verdict.refusal, *verdict.warnings):
        if notice is not None:
            text.append(f"{INDENT}{notice.name}: ", style="bold")
            text.append(f"{notice.text}\n")
    return text
