"""The page about templates, held to the files it describes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from contouring.template import HoleEncoding
from models.template_file import DerivedEntry, InterpretedType, TemplateFile
from models.templates import SHIPPED, read_template, read_template_file

PAGE = Path(__file__).resolve().parents[2] / "docs" / "templates.md"
PROFILES = ("generic", "eclipse", "raystation", "monaco", "pinnacle")
SETTINGS = ("name_limit", "holes", "keep_empty", "mark_cut", "segmentation")
DERIVATIONS = {
    "union",
    "intersection",
    "difference",
    "expand",
    "contract",
    "ring",
    "body_outline",
}


def shipped() -> dict[str, TemplateFile]:
    """The profiles, as their files have them."""
    return {name: read_template_file(SHIPPED / f"{name}.yaml") for name in PROFILES}


def show(value: object) -> str:
    """A value as YAML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    return value.value if isinstance(value, HoleEncoding) else str(value)


def tables() -> list[list[list[str]]]:
    """The page's tables: rows of cells, without their heads."""
    found = re.findall(r"(?:^\|.*\n)+", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return [
        [[cell.strip().strip("`") for cell in row.split("|")[1:-1]] for row in table.split("\n")]
        for table in found
    ]


def test_the_table_of_values_is_that_of_the_files() -> None:
    """A physicist reads the page, and the server the files."""
    head, _, *rows = (row for row in tables()[0] if row)

    assert head == ["setting", *PROFILES]
    assert rows == [
        [setting, *(show(getattr(file, setting)) for file in shipped().values())]
        for setting in SETTINGS
    ]


def test_the_table_of_sources_is_that_of_the_files() -> None:
    """Unverified must not turn into verified on the way to the page."""
    head, _, *rows = (row for row in tables()[1] if row)

    assert head == ["profile", "setting", "source"]
    assert rows == [
        [name, setting, file.sources[setting]]
        for name, file in shipped().items()
        for setting in SETTINGS
    ]


def test_every_field_of_a_template_is_on_the_page() -> None:
    """An undocumented field is found by nobody."""
    page = PAGE.read_text(encoding="utf-8")
    fields = [*TemplateFile.model_fields, *DerivedEntry.model_fields]

    assert [field for field in fields if not re.search(rf"\b{field}\b", page)] == []
    assert [kind for kind in get_args(InterpretedType) if kind and f"`{kind}`" not in page] == []
    assert {row[0] for row in tables()[2][2:] if row} == DERIVATIONS
    assert set(DerivedEntry.model_fields) >= DERIVATIONS


def test_the_page_s_own_example_is_a_template(tmp_path: Path) -> None:
    """It is what people copy."""
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    file = tmp_path / "our-clinic.yaml"
    file.write_text(example, encoding="utf-8")

    template = read_template(file)

    assert template.name == "our-clinic"
    assert [derived.structure.name for derived in template.derived] == [
        "Parotids",
        "SpinalCord_PRV05",
    ]
