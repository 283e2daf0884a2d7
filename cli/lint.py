"""`oarlock lint`: what is wrong with anybody's structure set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from cli.console import UNUSABLE_INPUT, AsJson, err, out
from contouring.dicom_files import find_files, name_below
from contouring.lint import Severity
from service.judgements import WORST_FIRST, FindingView, LintView
from service.linting import lint_file

COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTE: "blue"}


def lint(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="An RTSTRUCT.")],
    ct: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="Folder of its CT: geometry as well."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check an RTSTRUCT, whoever wrote it, against the standard and, with --ct, against its CT.

    Leaves with 0 when no error is found, also with warnings, and with 2 when there are errors or
    when a file cannot be used.
    """
    with err.status("Linting"):
        ct_files = find_files(ct) if ct else []
        view = lint_file(file, ct_files, name_below(ct, ct_files) if ct else None)
    if as_json:
        typer.echo(view.model_dump_json(indent=2))
    else:
        _show(view)
    if view.counts[Severity.ERROR]:
        raise typer.Exit(UNUSABLE_INPUT)


def _show(view: LintView) -> None:
    for severity in WORST_FIRST:
        findings = [one for one in view.findings if one.severity is severity]
        if findings:
            count = view.counts[severity]
            title = f"{count} {severity}{'s' if count > 1 else ''}"
            out.print(Text(title, style=f"bold {COLOURS[severity]}"))
        for finding in findings:
            out.print(_build_text(finding), soft_wrap=True)
    if not view.findings:
        out.print("No findings.")


def _build_text(finding: FindingView) -> Text:
    text = Text("  ")
    text.append(finding.where, style="bold")
    text.append(f": {finding.text} ")
    text.append(f"[{finding.rule}, {finding.clause}]", style="dim")
    return text
