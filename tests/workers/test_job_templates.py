"""Templates are chosen by name and opened by checksum."""

from __future__ import annotations

import json

import pytest

from contouring.errors import TemplateChangedError, UnknownTemplateError
from contouring.template import Template
from models.templates import GENERIC
from workers.job_templates import build_parameters, open_templates, pick_templates

KNOWN = {
    name: Template(name, checksum=checksum)
    for name, checksum in [("eclipse", "e" * 64), ("monaco", "m" * 64)]
}


def test_a_template_named_twice_is_used_once() -> None:
    """A form field and a comma list may both name it."""
    picked = pick_templates(KNOWN, ["monaco", "eclipse", "monaco"])

    assert [template.name for template in picked] == ["monaco", "eclipse"]


def test_an_unknown_template_is_refused_with_the_known_ones() -> None:
    """A misspelt name is the sender's to mend."""
    with pytest.raises(UnknownTemplateError, match=r"'eclpse'.*eclipse, monaco"):
        pick_templates(KNOWN, ["eclpse"])


def test_the_order_of_templates_does_not_change_a_job() -> None:
    """The same files come out, so it must not be contoured twice."""
    first = build_parameters(pick_templates(KNOWN, ["monaco", "eclipse"]))

    assert first == build_parameters(pick_templates(KNOWN, ["eclipse", "monaco"]))


def test_a_job_gets_the_templates_it_was_accepted_for() -> None:
    """The parameters come back through JSON, in another process."""
    stored = json.loads(json.dumps(build_parameters(KNOWN.values())))

    assert open_templates(KNOWN, stored) == tuple(KNOWN.values())


@pytest.mark.parametrize("known", [{}, {"eclipse": Template("eclipse", checksum="f" * 64)}])
def test_a_template_that_has_changed_is_not_used(known: dict[str, Template]) -> None:
    """Names and colours would differ from what the sender asked for, in silence."""
    parameters = build_parameters([KNOWN["eclipse"]])

    with pytest.raises(TemplateChangedError, match="eeeeeeeeeeee"):
        open_templates(known, parameters)


def test_a_job_from_before_there_were_templates_gets_the_generic_one() -> None:
    """It waits in the database over the update, and is run after it."""
    assert open_templates(KNOWN, {}) == (GENERIC,)
