"""The commands under their names, in the order in which `oarlock --help` shows them."""

from __future__ import annotations

import typer

from cli.check import check
from cli.commission import commission
from cli.contour import contour
from cli.evaluate import evaluate
from cli.export import export
from cli.lint import lint
from cli.listings import models, templates
from cli.phantom import phantom
from cli.server import serve, worker
from cli.submit import submit
from cli.train import train

app = typer.Typer(
    help="Auto-contouring for radiotherapy.", no_args_is_help=True, pretty_exceptions_enable=False
)

for command in (
    serve,
    worker,
    submit,
    contour,
    check,
    lint,
    models,
    templates,
    phantom,
    commission,
    train,
    evaluate,
    export,
):
    app.command()(command)
