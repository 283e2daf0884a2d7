"""Templates: YAML files, those that Oarlock ships and those of a site, read and validated."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from contouring.errors import (
    InvalidConfigurationError,
    InvalidTemplateError,
    UnknownTemplateError,
)
from contouring.template import Template
from models.template_file import TemplateFile
from models.yaml_files import read_yaml_file

SHIPPED = Path(__file__).parent / "templates"
PATTERN = "*.yaml"


def find_templates(folders: Iterable[Path] = ()) -> dict[str, Template]:
    """The shipped templates and those in `folders`, by name.

    Raises `InvalidTemplateError` for a wrong file, a folder that is not there and a name that two
    files have: which of them is meant must not depend on an order.
    """
    found: dict[str, tuple[Path, Template]] = {}
    for folder in (SHIPPED, *folders):
        if not folder.is_dir():
            raise InvalidTemplateError(folder, "there is no such folder; check OARLOCK_TEMPLATES.")
        for path in sorted(folder.glob(PATTERN)):
            template = read_template(path)
            if template.name in found:
                other = found[template.name][0]
                raise InvalidTemplateError(
                    path, f"{other} has the name {template.name} too; give this one another."
                )
            found[template.name] = path, template
    return {name: template for name, (_, template) in found.items()}


def pick_template(templates: dict[str, Template], name: str) -> Template:
    """The template of that name, or `UnknownTemplateError` naming those there are."""
    if name not in templates:
        raise UnknownTemplateError(name, sorted(templates))
    return templates[name]


def read_template(path: Path) -> Template:
    """One template, or `InvalidTemplateError` with the line at fault."""
    content = path.read_bytes()
    return _validate(path, content).build(hashlib.sha256(content).hexdigest())


def read_template_file(path: Path) -> TemplateFile:
    """One template as its file has it, with the sources of its values."""
    return _validate(path, path.read_bytes())


def _validate(path: Path, content: bytes) -> TemplateFile:
    try:
        return read_yaml_file(path, TemplateFile, content)
    except InvalidConfigurationError as error:
        raise InvalidTemplateError(path, " ".join(error.faults)) from error


GENERIC = read_template(SHIPPED / "generic.yaml")
