"""XML says what JSON says, and both say what the dataset holds."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import Element, fromstring

import pydicom
import pytest
from hypothesis import given, settings
from pydicom.dataset import Dataset

from service.dicomweb.kept_attributes import build_attributes
from service.dicomweb.native_xml import NAME_PARTS, UNWRITABLE, build_document
from tests.service.dicomweb.datasets import datasets

NATIVE = "{http://dicom.nema.org/PS3.19/models/NativeDICOM}"


def read_document(element: Element) -> dict[str, Any]:
    """Attributes as JSON has them, each value as its text."""
    return {attribute.get("tag", ""): _read_attribute(attribute) for attribute in element}


def _read_attribute(attribute: Element) -> dict[str, Any]:
    content: dict[str, Any] = {"vr": attribute.get("vr")}
    values = [_read_value(value) for value in attribute if value.tag != f"{NATIVE}InlineBinary"]
    if values:
        content["Value"] = values
    binary = attribute.findtext(f"{NATIVE}InlineBinary")
    return content if binary is None else {**content, "InlineBinary": binary}


def _read_value(value: Element) -> Any:
    if value.tag == f"{NATIVE}Item":
        return read_document(value)
    if value.tag == f"{NATIVE}PersonName":
        return {group.tag.removeprefix(NATIVE): _read_name(group) for group in value}
    return value.text or ""


def _read_name(group: Element) -> str:
    parts = [group.findtext(f"{NATIVE}{part}", "") for part in NAME_PARTS]
    return "^".join(parts).rstrip("^")


def tell_as_text(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON model with each value as the text that XML can hold of it."""
    told = {}
    for tag, content in attributes.items():
        told[_name_private(tag)] = dict(content)
        values = [_tell_value(value) for value in content.get("Value", ()) if value is not None]
        told[_name_private(tag)].pop("Value", None)
        if values:
            told[_name_private(tag)]["Value"] = values
    return told


def _name_private(tag: str) -> str:
    """Those of the block 10 by their creator's own number."""
    return f"{tag[:4]}00{tag[6:]}" if tag.startswith("000910") else tag


def _tell_value(value: Any) -> Any:
    if (
        isinstance(value, dict)
        and set(value) <= {"Alphabetic", "Ideographic", "Phonetic"}
        and value
    ):
        return {group: text.rstrip("^") for group, text in value.items()}
    if isinstance(value, dict):
        return tell_as_text(value)
    return UNWRITABLE.sub("", str(value))


@given(datasets())
@settings(deadline=None, derandomize=True, max_examples=300)
def test_the_document_says_what_the_json_says(dataset: Dataset) -> None:
    """Whatever the values are: every one, in its order, under its tag."""
    attributes = build_attributes(dataset)

    root = fromstring(build_document(attributes))

    assert root.tag == f"{NATIVE}NativeDicomModel"
    assert read_document(root) == tell_as_text(attributes)


@given(datasets())
@settings(deadline=None, derandomize=True, max_examples=300)
def test_the_json_is_json_and_says_what_the_dataset_holds(dataset: Dataset) -> None:
    """Without NaN and Infinity, which are no JSON (RFC 8259 6)."""
    text = json.dumps(build_attributes(dataset), allow_nan=False)

    again = Dataset.from_json(text)

    assert json.dumps(build_attributes(again)) == text


@pytest.mark.parametrize(
    ("value", "name"), [(math.nan, "NaN"), (math.inf, "Infinity"), (-math.inf, "-Infinity")]
)
def test_numbers_that_json_does_not_have_are_named(value: float, name: str) -> None:
    """As PS3.18 F.2.3.1 says; also within sequences."""
    item = Dataset()
    item.RecommendedDisplayFrameRateInFloat = value
    dataset = Dataset()
    dataset.ReferencedImageSequence = [item]

    attributes = build_attributes(dataset)

    told = attributes["00081140"]["Value"][0]["00089459"]
    assert told == {"vr": "FL", "Value": [name]}


def test_texts_of_other_character_sets_are_unicode(tmp_path: Any) -> None:
    """And the answer does not claim that they are not."""
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.PatientName = "Müller^Jörg"
    dataset.save_as(tmp_path / "latin", implicit_vr=True, little_endian=True)

    attributes = build_attributes(pydicom.dcmread(tmp_path / "latin", force=True))

    assert attributes["00080005"]["Value"] == ["ISO_IR 192"]
    assert attributes["00100010"]["Value"] == [{"Alphabetic": "Müller^Jörg"}]
    assert "Müller".encode() in build_document(attributes)
