"""YAML files that people write: read strictly, and every fault told with its line."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from contouring.errors import InvalidConfigurationError

BOOL, TIMESTAMP = "tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp"
TRUTH_VALUES = re.compile("^(?:true|True|TRUE|false|False|FALSE)$")
FAULTS_SHOWN = 20  # the rest is counted
VALUES_AT_MOST = 100_000  # of a file: some thousand rules
Place = tuple[str | int, ...]  # the keys and numbers, from 0, that lead to a part of a file
M = TypeVar("M", bound=BaseModel)


@runtime_checkable
class Coherent(Protocol):
    """A file's model that knows where its parts do not go together, and says why."""

    def find_faults(self) -> Iterator[tuple[Place, str]]:
        """The place of each fault, and a sentence without its full stop."""
        ...


def read_yaml_file(
    path: Path, kind: type[M], content: bytes | None = None, known: Mapping[str, Any] | None = None
) -> M:
    """The file as that model; `content`: what it holds, if it has been read already.

    `known` is what the model's validators are told besides (pydantic's context). Raises
    `InvalidConfigurationError` with every fault and its line.
    """
    file = open_yaml_file(path, content)
    try:
        model = kind.model_validate(file.values, context=known)
    except ValidationError as error:
        raise _refusal(path, [file.describe(one) for one in error.errors()]) from error
    if isinstance(model, Coherent):
        faults = [file.locate(place, text) for place, text in model.find_faults()]
        if faults:
            raise _refusal(path, faults)
    return model


def read_content(path: Path) -> bytes:
    """The file's bytes, or `InvalidConfigurationError`: a wrong path is a wrong setting, too."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise _refusal(path, [f"it cannot be read: {error.strerror}."]) from error


def open_yaml_file(path: Path, content: bytes | None = None) -> YamlFile:
    """The file before any model judges it; raises `InvalidConfigurationError`."""
    try:
        loader = _Loader(read_content(path) if content is None else content)
        root = loader.get_single_node()
        faults = list(_find_node_faults(root))
        values: Any = root and loader.construct_document(root)
    except yaml.MarkedYAMLError as error:
        raise _refusal(path, [_tell_syntax(error)]) from error
    except (yaml.YAMLError, ValueError) as error:  # bytes that are no text
        raise _refusal(path, [f"it is not YAML: {error}"]) from error
    except RecursionError as error:
        raise _refusal(path, ["it is nested too deeply: write it flatter."]) from error
    if not isinstance(root, yaml.MappingNode):
        raise _refusal(path, ["it is no list of settings: it must hold fields with their values."])
    if faults:
        raise _refusal(path, faults)
    return YamlFile(root, values)


@dataclass(frozen=True)
class YamlFile:
    """The values of a YAML file, and the lines that they stand on."""

    root: yaml.MappingNode
    values: dict[str, Any]

    def describe(self, error: ErrorDetails) -> str:
        """What pydantic found, in a sentence with its line."""
        is_missing = error["type"] == "missing"
        message = error["msg"].removeprefix("Value error, ")
        return self.locate(error["loc"], message, is_missing)

    def locate(self, place: Place, text: str, is_missing: bool = False) -> str:
        """A sentence with the line, from 1, of the innermost part of a place that the file has.

        Steps that the file has not are words of pydantic's own, but for the last one of a place
        that `is_missing`.
        """
        node: yaml.Node = self.root
        line, named = 1, []
        for step in place:
            found, line = _step(node, step, line)
            if found is not None:
                node = found
                named.append(str(step))
        if is_missing:
            named.append(str(place[-1]))
        return f"line {line}, {'.'.join(named) or 'the file'}: {text}."


class _Loader(yaml.SafeLoader):
    """Refuses what would be endless or no number, with its line.

    NO, on and 2026-01-01 are texts, as in YAML 1.2; only true and false are truth values.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012 - as PyYAML has it
        sign: [one for one in resolvers if one[0] not in (BOOL, TIMESTAMP)]
        for sign, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self._value_count = 0  # with what aliases repeat
        self._counts: dict[int, int] = {}  # of the nodes that are whole, by their identity

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Aliases of aliases could make a small file endless."""
        before = self._value_count
        is_alias = self.check_event(yaml.AliasEvent)
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        node = super().compose_node(parent, index)
        if is_alias and id(node) not in self._counts:
            raise _Refused(problem="an alias stands within what it repeats", problem_mark=mark)
        self._value_count += self._counts[id(node)] if is_alias else 1
        if self._value_count > VALUES_AT_MOST:
            raise _Refused(
                problem=f"it has more than {VALUES_AT_MOST} values, with those that its aliases "
                "repeat",
                problem_mark=mark,
            )
        self._counts[id(node)] = self._value_count - before
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """What is no value of the kind that it looks like, and what no comparison is true of."""
        try:
            value = super().construct_object(node, deep)
        except (ValueError, KeyError, AttributeError) as error:
            problem = f"{str(node.value)[:40]!r} is no {node.tag.rpartition(':')[2]}"
            raise _Refused(problem=problem, problem_mark=node.start_mark) from error
        if isinstance(value, float) and not math.isfinite(value):
            raise _Refused(
                problem=f"{node.value} is no finite number", problem_mark=node.start_mark
            )
        return value


_Loader.add_implicit_resolver(BOOL, TRUTH_VALUES, list("tTfF"))


class _Refused(yaml.MarkedYAMLError):
    """YAML, but not what a setting can be."""


def _tell_syntax(error: yaml.MarkedYAMLError) -> str:
    if isinstance(error, _Refused):
        return f"line {_line(error.problem_mark)}: {error.problem}."
    told = [
        f"{text} (line {_line(mark)})" if mark else text
        for text, mark in (
            (error.context, error.context_mark),
            (error.problem, error.problem_mark),
        )
        if text
    ]
    return f"it is not YAML: {', '.join(told)}."


def _line(mark: yaml.Mark | None) -> int:
    return mark.line + 1 if mark else 1


def _find_node_faults(node: yaml.Node | None) -> Iterator[str]:
    """YAML readers keep the last of two equal keys and say nothing."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _find_node_faults(item)
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if str(key.value) in seen:
                yield f"line {_line(key.start_mark)}: {key.value} stands there twice."
            seen.add(str(key.value))
            yield from _find_node_faults(value)


def _step(node: yaml.Node, step: str | int, line: int) -> tuple[yaml.Node | None, int]:
    """The part of a node that a step leads to, and its line; the line stays if there is none."""
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], _line(node.value[step].start_mark)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(step):
                return value, _line(key.start_mark)
    return None, line


def _refusal(path: Path, faults: list[str]) -> InvalidConfigurationError:
    more = len(faults) - FAULTS_SHOWN
    shown = [*faults[:FAULTS_SHOWN], *([f"And {more} more."] if more > 0 else [])]
    return InvalidConfigurationError(path, shown)
