"""Errors that people read: whoever sends a series, and whoever runs the server."""

from __future__ import annotations

import inspect
from collections import Counter
from pathlib import Path

import pytest

from contouring import errors
from contouring.errors import OarlockError

KINDS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, OarlockError) and kind.__module__.startswith(errors.__name__)
]
SPEAKING = [kind for kind in KINDS if "__init__" in vars(kind)]


@pytest.mark.parametrize("kind", SPEAKING, ids=lambda kind: kind.__name__)
def test_an_error_says_or_keeps_all_it_was_given(kind: type[OarlockError]) -> None:
    """A file, a slice or a limit that is lost on the way cannot be looked for."""
    given = {
        name: example_of(name, str(parameter.annotation))
        for name, parameter in inspect.signature(kind).parameters.items()
    }

    error = kind(**given)

    lost = [
        name
        for name, value in given.items()
        if getattr(error, name, None) != value and not is_said(value, str(error))
    ]
    assert lost == []


@pytest.mark.parametrize("kind", [errors.UnknownModelError, errors.UnknownTemplateError])
def test_where_none_is_known_the_error_says_so(
    kind: type[errors.UnknownModelError | errors.UnknownTemplateError],
) -> None:
    """A list that ends at its colon looks like a message cut short."""
    error = kind("brain", ())

    assert str(error).endswith(": none.")


def test_every_error_has_a_code_of_its_own() -> None:
    """Programs tell errors apart by it."""
    codes = Counter(kind.code for kind in KINDS)

    assert [code for code, count in codes.items() if count > 1] == []


def example_of(name: str, annotation: str) -> object:
    """A value of the kind that an error asks for."""
    if "Sequence" in annotation:
        return (f"the first {name}.", f"the second {name}.")
    return Path("the folder") / name if annotation == "Path" else f"the {name}"


def is_said(value: object, message: str) -> bool:
    """Whether all of a value stands in a message."""
    parts = value if isinstance(value, tuple) else (value,)
    return all(str(part) in message for part in parts)
