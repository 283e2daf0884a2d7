"""`oarlock rules`: what a rule file says, before it decides anything."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from cli.console import UNUSABLE_INPUT, AsJson, Folder, out, refuse
from cli.trials import show_trial
from contouring.dicom_files import find_files, name_below
from models.bundles import RELEASED, find_bundles
from models.templates import find_templates
from service.rules.rule_file import KnownNames
from service.rules.rule_set import RuleSet, build_rule_set, read_rule_set
from service.rules.trial import Defaults, try_rules
from workers.destinations.destinations import read_destinations
from workers.settings import Settings
from workers.sources import Source, SourceKind

rules = typer.Typer(help="Try and check rules: what becomes of a series.", no_args_is_help=True)


@rules.command("test")
def try_folder(  # noqa: PLR0913 - the options of a command, each given by its name
    ct_folder: Folder,
    file: Annotated[
        Path | None, typer.Option("--rules", help="A rule file; without it, OARLOCK_RULES.")
    ] = None,
    source: Annotated[str, typer.Option(help="Name of the sender, as the rules call it.")] = "",
    source_kind: Annotated[SourceKind, typer.Option(help="Its way in.")] = SourceKind.DIMSE,
    calling_ae: Annotated[str, typer.Option(help="Its application entity title.")] = "",
    called_ae: Annotated[str, typer.Option(help="The one that it calls.")] = "",
    address: Annotated[str, typer.Option(help="Its IP address.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show which rules match the CT series below a folder and why not, and what would happen.

    Shows what headers say, also of the patient. Leaves with 0 when every series would become a job,
    and with 2 when a rule refuses one, when one cannot be contoured, or when the rules are wrong.
    """
    settings = Settings()
    files = find_files(ct_folder)
    view = try_rules(
        _read(file or settings.rules, settings),
        files,
        name_below(ct_folder, files),
        Source(source, source_kind, calling_ae, called_ae, address),
        Defaults(settings.default_model, settings.default_template_names),
    )
    if as_json:
        typer.echo(view.model_dump_json(indent=2))
    else:
        show_trial(view)
    if view.refused or any(series.refusal is not None for series in view.series):
        raise typer.Exit(UNUSABLE_INPUT)


@rules.command("check")
def check_file(
    file: Annotated[
        Path | None, typer.Argument(help="A rule file; without it, OARLOCK_RULES.")
    ] = None,
) -> None:
    """Check a rule file, also its names of models, templates and destinations.

    Leaves with 0 when the server would take it, and with 2 and every fault's line when not.
    """
    settings = Settings()
    path = file or settings.rules
    if path is None:
        refuse("There is no rule file to check: name one, or set OARLOCK_RULES.")
    rule_set = _read(path, settings)
    off = sum(not rule.is_enabled for rule in rule_set.rules)
    told = f"{len(rule_set.rules)} rules" + (f", {off} of them switched off" if off else "")
    text = Text("✔ ", style="bold green").append(f"{path}: {told}", style="not bold default")
    out.print(text, soft_wrap=True)


def _read(path: Path | None, settings: Settings) -> RuleSet:
    if path is None:
        return build_rule_set()
    known = KnownNames(
        models=frozenset(find_bundles((RELEASED, *settings.model_folders), settings.model_keys)),
        templates=frozenset(find_templates(settings.template_folders)),
        destinations=frozenset(read_destinations(settings.destinations).by_name),
    )
    return read_rule_set(path, known)
