"""`oarlock templates`: what structure sets can be asked for."""

from __future__ import annotations

from rich.table import Table

from cli.console import out
from models.templates import find_templates
from workers.settings import Settings


def templates() -> None:
    """List the templates: what structure sets can be asked for, by their destination."""
    settings = Settings()
    table = Table("template", "checksum", "description")
    for name, template in sorted(find_templates(settings.template_folders).items()):
        shown = f"{name} (default)" if name in settings.default_template_names else name
        table.add_row(shown, template.checksum[:12], template.description)
    out.print(table)
