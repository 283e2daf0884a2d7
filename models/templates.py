"""Templates: YAML files, those that Oarlock ships and those of a site, read and validated."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import yaml
from pydantic import ValidationError

from contouring.errors import InvalidTemplateError, UnknownTemplateError
from contouring.template import Template
from models.template_file import TemplateFile

SHIPPED = Path(__file__).parent / "templates"
PATTERN = "*.yaml"
MISSING = "Field required"  # pydantic's words


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
        # An alias could make a small file endless.
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(content)):
            raise InvalidTemplateError(path, "it uses YAML's aliases: write the values out.")
        root = yaml.compose(content, yaml.SafeLoader)
        values = yaml.safe_load(content)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidTemplateError(path, f"it is not YAML: {error}") from error
    if not isinstance(root, yaml.MappingNode):
        raise InvalidTemplateError(path, "it is no list of settings, each with its value.")
    _refuse_repeated_keys(path, root)
    try:
        file = TemplateFile.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        message = first["msg"].removeprefix("Value error, ")
        raise _fault(path, root, first["loc"], message) from error
    fault = file.find_fault()
    if fault is not None:
        raise _fault(path, root, *fault)
    return file


def _fault(
    path: Path, root: yaml.Node, place: tuple[str | int, ...], text: str
) -> InvalidTemplateError:
    """The error, with the line, from 1, of the innermost part of a place that the file has."""
    node, line, named = root, 1, []
    for step in place:
        found, line = _step(node, step, line)
        node = found or node
        if found is not None or text == MISSING:  # else it is a word of pydantic's own
            named.append(str(step))
    where = ".".join(named) or "the template"
    return InvalidTemplateError(path, f"line {line}, {where}: {text}.")


def _step(node: yaml.Node, step: str | int, line: int) -> tuple[yaml.Node | None, int]:
    """The part of a node that a step leads to, and its line; the line stays if there is none."""
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step].start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == step:
                return value, key.start_mark.line + 1
    return None, line


def _refuse_repeated_keys(path: Path, node: yaml.Node) -> None:
    """YAML readers keep the last of two equal keys and say nothing."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_repeated_keys(path, item)
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                line = key.start_mark.line + 1
                raise InvalidTemplateError(path, f"line {line}: {key.value} stands there twice.")
            seen.add(str(key.value))
            _refuse_repeated_keys(path, value)


GENERIC = read_template(SHIPPED / "generic.yaml")
