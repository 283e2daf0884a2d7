"""The DICOM JSON model (PS3.18 F) as the native DICOM model in XML (PS3.19 A.1)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring  # nosec B405 # reads none

from pydicom.datadict import keyword_for_tag

NAMESPACE = "http://dicom.nema.org/PS3.19/models/NativeDICOM"
NAME_PARTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
FIRST_PRIVATE_ELEMENT = 0x1000
# What XML 1.0 cannot hold at all.
UNWRITABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def build_document(attributes: Mapping[str, Any]) -> bytes:
    """One dataset as a document."""
    root = Element("NativeDicomModel", {"xmlns": NAMESPACE, "xml:space": "preserve"})
    _add_attributes(root, attributes)
    document: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    # Who reads XML takes a bare carriage return for a line feed.
    return document.replace(b"\r", b"&#13;")


def _add_attributes(parent: Element, attributes: Mapping[str, Any]) -> None:
    for tag, content in sorted(attributes.items()):
        attribute = SubElement(parent, "DicomAttribute", _name_attribute(tag, attributes))
        attribute.set("vr", content["vr"])
        if "BulkDataURI" in content:
            SubElement(attribute, "BulkData", {"uri": content["BulkDataURI"]})
        if "InlineBinary" in content:
            SubElement(attribute, "InlineBinary").text = content["InlineBinary"]
        for number, value in enumerate(content.get("Value", ()), start=1):
            _add_value(attribute, content["vr"], number, value)


def _name_attribute(tag: str, attributes: Mapping[str, Any]) -> dict[str, str]:
    """A private one is named by its creator: where its block lies may differ between datasets."""
    keyword = keyword_for_tag(int(tag, 16))
    if keyword:
        return {"tag": tag, "keyword": keyword}
    group, block, element = tag[:4], tag[4:6], tag[6:]
    creator = attributes.get(f"{group}00{block}", {}).get("Value")
    is_private = int(group, 16) % 2 == 1 and int(tag[4:], 16) >= FIRST_PRIVATE_ELEMENT
    if is_private and creator:
        return {"tag": f"{group}00{element}", "privateCreator": _clean(str(creator[0]))}
    return {"tag": tag}


def _add_value(attribute: Element, vr: str, number: int, value: Any) -> None:
    place = {"number": str(number)}
    if vr == "SQ":
        _add_attributes(SubElement(attribute, "Item", place), value)
    elif vr == "PN":
        _add_name(SubElement(attribute, "PersonName", place), value or {})
    elif value is not None:
        SubElement(attribute, "Value", place).text = _clean(str(value))


def _add_name(person: Element, groups: Mapping[str, str]) -> None:
    for group in ("Alphabetic", "Ideographic", "Phonetic"):
        if group in groups:
            element = SubElement(person, group)
            for part, text in zip(NAME_PARTS, groups[group].split("^"), strict=False):
                if text:
                    SubElement(element, part).text = _clean(text)


def _clean(text: str) -> str:
    return UNWRITABLE.sub("", text)
