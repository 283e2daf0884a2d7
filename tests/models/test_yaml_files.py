"""YAML files of a site: whatever is wrong in them is told with its line."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from string import ascii_lowercase
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from contouring.errors import InvalidConfigurationError
from models.yaml_files import FAULTS_SHOWN, read_yaml_file


class Door(BaseModel):
    """A part of the house."""

    model_config = ConfigDict(extra="forbid")

    name: str
    width_mm: Annotated[float, Field(gt=0)] = 800.0
    colour: Literal["red", "green"] = "red"

    @field_validator("colour")
    @classmethod
    def _in_stock(cls, colour: str, info: ValidationInfo) -> str:
        if colour not in (info.context or {}).get("stock", ("red", "green")):
            raise ValueError(f"there is no {colour} paint")
        return colour


class House(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid")

    format: Literal[1]
    doors: tuple[Door, ...] = ()

    def find_faults(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Two doors of one name."""
        names = [door.name for door in self.doors]
        for number, name in enumerate(names):
            if name in names[:number]:
                yield ("doors", number, "name"), f"a door before is called {name}"


def faults_of(text: str | bytes, **known: object) -> tuple[str, ...]:
    """What is told of a wrong file."""
    content = text if isinstance(text, bytes) else text.encode()
    with pytest.raises(InvalidConfigurationError) as refused:
        read_yaml_file(Path("house.yaml"), House, content, known)
    assert refused.value.file == Path("house.yaml")
    assert str(refused.value).startswith("house.yaml cannot be used: ")
    return refused.value.faults


def test_a_right_file_becomes_its_model(tmp_path: Path) -> None:
    """From the disk, or from what was read of it already."""
    file = tmp_path / "house.yaml"
    file.write_text("format: 1\ndoors:\n- {name: front, width_mm: 900}\n")

    house = read_yaml_file(file, House)

    assert house.doors == (Door(name="front", width_mm=900),)
    assert read_yaml_file(Path("elsewhere"), House, file.read_bytes()) == house


WRONG = {
    "an unknown key": (
        "format: 1\n\nroof: flat\n",
        "line 3, roof: Extra inputs are not permitted.",
    ),
    "a wrong type": (
        "format: 1\ndoors:\n- name: front\n  width_mm: wide\n",
        "line 4, doors.0.width_mm: Input should be a valid number, unable to parse string as a "
        "number.",
    ),
    "a missing key": ("format: 1\ndoors:\n- {}\n", "line 3, doors.0.name: Field required."),
    "a key twice": ("format: 1\ndoors: []\ndoors: []\n", "line 3: doors stands there twice."),
    "a key twice, deep": (
        "format: 1\ndoors:\n- name: a\n  name: b\n",
        "line 4: name stands there twice.",
    ),
    "no number": (
        "format: 1\ndoors:\n- {name: a,\n   width_mm: .nan}\n",
        "line 4: .nan is no finite number.",
    ),
    "an infinite number": ("format: 1\nroof: -.inf\n", "line 2: -.inf is no finite number."),
    "a number too large": ("format: 1\nroof: 1.0e+999\n", "line 2: 1.0e+999 is no finite number."),
    "what looks like a number": ("format: 1\nroof: 0b_\n", "line 2: '0b_' is no int."),
    "no truth value": ("format: 1\nroof: !!bool maybe\n", "line 2: 'maybe' is no bool."),
    "no time": ("format: 1\nroof: !!timestamp noon\n", "line 2: 'noon' is no timestamp."),
    "an alias of itself": (
        "format: 1\ndoors: &a\n- *a\n",
        "line 3: an alias stands within what it repeats.",
    ),
    "aliases without end": (
        "a: &a [x, x]\n"
        + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in pairwise(ascii_lowercase)),
        "line 15: it has more than 100000 values, with those that its aliases repeat.",
    ),
    "a tag that makes an object": (
        "format: 1\nroof: !!python/object/apply:os.mkdir [x]\n",
        "it is not YAML: could not determine a constructor for the tag "
        "'tag:yaml.org,2002:python/object/apply:os.mkdir' (line 2).",
    ),
    "a bracket left open": (
        "format: 1\ndoors: [\n",
        "it is not YAML: while parsing a flow node (line 3), expected the node content",
    ),
    "bytes that are no text": (b"format: 1\nroof: Gr\xfcn\n", "it is not YAML: "),
    "a list": ("- format: 1\n", "it is no list of settings"),
    "nothing": ("", "it is no list of settings"),
    "brackets without end": ("[" * 5000, "it is nested too deeply"),
    "parts that do not go together": (
        "format: 1\ndoors:\n- name: a\n- name: b\n- name: a\n",
        "line 5, doors.2.name: a door before is called a.",
    ),
}


def test_an_alias_repeats_a_value() -> None:
    """Also where only some of what it repeats is kept."""
    text = "format: 1\ndoors:\n- &front {name: front, width_mm: 900}\n- {<<: *front, name: back}\n"

    house = read_yaml_file(Path("house.yaml"), House, text.encode())

    assert house.doors == (Door(name="front", width_mm=900), Door(name="back", width_mm=900))


@pytest.mark.parametrize(("text", "fault"), WRONG.values(), ids=WRONG.keys())
def test_a_fault_is_told_with_its_line(text: str | bytes, fault: str) -> None:
    """Whoever wrote the file mends it without reading our code."""
    (told,) = faults_of(text)

    assert told.startswith(fault)


def test_every_fault_is_told_at_once() -> None:
    """Else each start of the server shows the next one."""
    assert faults_of("format: 2\ndoors:\n- {colour: blue}\nroof: flat\n") == (
        "line 1, format: Input should be 1.",
        "line 3, doors.0.name: Field required.",
        "line 3, doors.0.colour: Input should be 'red' or 'green'.",
        "line 4, roof: Extra inputs are not permitted.",
    )


def test_of_endless_faults_the_rest_is_counted() -> None:
    """A file of something else altogether must not fill a log."""
    faults = faults_of("format: 1\n" + "".join(f"key{n}: 0\n" for n in range(100)))

    assert len(faults) == FAULTS_SHOWN + 1
    assert faults[-1] == f"And {100 - FAULTS_SHOWN} more."


def test_a_name_that_does_not_exist_is_told_with_its_line() -> None:
    """What exists is known to the caller alone."""
    text = "format: 1\ndoors:\n- name: front\n  colour: green\n"

    assert faults_of(text, stock=("red",)) == ("line 4, doors.0.colour: there is no green paint.",)


def test_words_and_dates_are_texts() -> None:
    """PatientSex: NO and a rule called off mean what they say; where yes or no is meant, too."""

    class Plain(BaseModel):
        words: list[str]
        flags: list[bool]

    text = b"words: [NO, off, y, 2026-01-01, falsely]\nflags: [yes, Off, true, FALSE]\n"

    read = read_yaml_file(Path("plain.yaml"), Plain, text)

    assert read.words == ["NO", "off", "y", "2026-01-01", "falsely"]
    assert read.flags == [True, False, True, False]
