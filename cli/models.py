"""`oarlock models`: what can be asked for, who vouches for it, and vouching."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from cli.console import Folder, out, refuse, write_file
from models.bundles import CARD, RELEASED, find_bundles, read_bundle
from models.signatures import SIGNATURE, read_private_key, read_trusted_keys, sign
from workers.settings import Settings

models = typer.Typer(help="List the models, sign one, or verify one.")


@models.callback(invoke_without_command=True)
def list_models(context: typer.Context) -> None:
    """List the models."""
    if context.invoked_subcommand is not None:
        return
    settings = Settings()
    bundles = find_bundles((RELEASED, *settings.model_folders), settings.model_keys)
    table = Table("model", "version", "checksum", "structures")
    for name, bundle in sorted(bundles.items()):
        shown = f"{name} (default)" if name == settings.default_model else name
        structures = ", ".join(structure.name for structure in bundle.card.structures)
        table.add_row(shown, bundle.card.version, bundle.checksum[:12], structures)
    out.print(table)


@models.command("sign")
def sign_model(
    folder: Folder,
    key: Annotated[Path, typer.Option(help="Private ed25519 key (PEM, without a passphrase).")],
) -> None:
    """Sign a model's card, and by it the checksums of its networks, which are compared first."""
    private = read_private_key(key)
    read_bundle(folder)
    write_file(folder / SIGNATURE, sign((folder / CARD).read_bytes(), private))
    bundle = read_bundle(folder, (private.public_key(),))
    _tell(f"{folder / SIGNATURE} vouches for {bundle.card.name} {bundle.card.version}")


@models.command("verify")
def verify_model(
    folder: Folder,
    keys: Annotated[
        Path | None,
        typer.Option(help="Public keys, a file or a folder; without it, OARLOCK_MODEL_KEYS."),
    ] = None,
) -> None:
    """Compare a model's checksums, and its signature where keys are named.

    Leaves with 0 when a server would take it, and with 1 and the reason when not.
    """
    trusted = keys or Settings().model_keys
    if trusted is None and (folder / SIGNATURE).exists():
        refuse("It is signed: name the keys with --keys, or set OARLOCK_MODEL_KEYS.")
    bundle = read_bundle(folder, None if trusted is None else read_trusted_keys(trusted))
    by_whom = "not signed" if trusted is None else "signed by a key that is trusted"
    _tell(f"{bundle.card.name} {bundle.card.version}: checksums agree, {by_whom}")


def _tell(text: str) -> None:
    line = Text("✔ ", style="bold green").append(text, style="not bold default")
    out.print(line, soft_wrap=True)
