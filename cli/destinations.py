"""`oarlock destinations`: where results go, and whether it can be reached."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from cli.console import FAILURE, err, out, refuse
from contouring.errors import DeliveryError, UnknownDestinationError
from models.templates import find_templates
from workers.job_templates import pick_templates
from workers.settings import Settings

if TYPE_CHECKING:
    from workers.destinations.destinations import Destinations

destinations = typer.Typer(
    help="List the destinations of results, and test whether they can be reached.",
    no_args_is_help=True,
)


@destinations.command("list")
def list_destinations() -> None:
    """List the destinations of the file at OARLOCK_DESTINATIONS."""
    table = Table("destination", "kind", "place", "template or events")
    for name, one in sorted(_read().by_name.items()):
        table.add_row(name, one.kind, one.place, one.template or ", ".join(one.events))
    out.print(table)


@destinations.command("test")
def test_destination(name: Annotated[str, typer.Argument(help="A name of the list.")]) -> None:
    """Reach a destination as a delivery would, and send it nothing of any patient.

    A DICOM node gets a C-ECHO, a DICOMweb server a search, a folder an empty file that is removed
    again, a webhook the event ping. Leaves with 1 when it cannot be reached.
    """
    try:
        destination = _read().pick(name)
    except UnknownDestinationError as error:
        refuse(error.fault)
    try:
        found = destination.sender.probe()
    except DeliveryError as error:
        err.print(f"{name}: {error.fault}", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(FAILURE) from error
    out.print(f"{name}: {found}", markup=False, highlight=False, soft_wrap=True)


def _read() -> Destinations:
    # DIMSE and HTTP; the other commands start faster without them.
    from workers.destinations.destinations import read_destinations

    settings = Settings()
    found = read_destinations(settings.destinations)
    pick_templates(find_templates(settings.template_folders), found.template_names)
    return found
