"""The templates of a job: chosen by name when it is sent, opened again by checksum when it runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from contouring.errors import TemplateChangedError
from contouring.template import Template
from models.templates import GENERIC, pick_template

KEY = "templates"  # among a job's parameters: pairs of name and checksum


def pick_templates(known: dict[str, Template], names: Iterable[str]) -> tuple[Template, ...]:
    """The templates of these names, each once, in the names' order."""
    return tuple(pick_template(known, name) for name in dict.fromkeys(names))


def build_parameters(templates: Iterable[Template]) -> dict[str, object]:
    """A job's parameters; the order in which templates were asked for is no part of its identity.

    Lists, not tuples: JSON, through which they pass, knows no other.
    """
    return {KEY: sorted([template.name, template.checksum] for template in templates)}


def read_templates(parameters: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Name and checksum of each template of a job; none before there were templates."""
    return tuple((name, checksum) for name, checksum in parameters.get(KEY, ()))


def open_templates(
    known: Mapping[str, Template], parameters: Mapping[str, Any]
) -> tuple[Template, ...]:
    """The templates that a job was accepted for, and no others of the same names.

    A job without any was stored before there were templates, and gets the generic one.
    """
    opened = []
    for name, checksum in read_templates(parameters):
        template = known.get(name)
        if template is None or template.checksum != checksum:
            raise TemplateChangedError(name, checksum)
        opened.append(template)
    return tuple(opened) or (GENERIC,)
