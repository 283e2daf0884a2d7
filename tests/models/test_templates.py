"""Template files: what they may say, and what is told of those that are wrong."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from contouring.derivations import (
    BodyOutline,
    Contraction,
    Difference,
    Expansion,
    Intersection,
    Margins,
    Ring,
    Union,
)
from contouring.errors import InvalidTemplateError, UnknownTemplateError
from contouring.structures import CodedConcept
from contouring.template import HoleEncoding, Template, WantedStructure
from models.templates import (
    GENERIC,
    SHIPPED,
    find_templates,
    pick_template,
    read_template,
    read_template_file,
)

HEAD = "format: 1\nname: site\n"
FULL = """\
format: 1
name: site
description: The clinic's own
structures:
  - source: SpinalCord
    name: Myelon
    colour: [200, 0, 0]
    interpreted_type: AVOIDANCE
  - source: Parotids
derived:
  - name: Rind
    colour: [1, 2, 3]
    ring: {of: Parotids, inner_mm: 2, outer_mm: 12.5}
  - name: Parotids
    description: Both parotid glands
    colour: [4, 5, 6]
    interpreted_type: ORGAN
    code: {value: "45289007", scheme: SCT, meaning: Parotid gland}
    laterality: {value: "51440002", scheme: SCT, meaning: Bilateral}
    union: {of: [Parotid_L, Parotid_R]}
  - name: Cord_PRV05
    colour: [7, 8, 9]
    expand: {of: SpinalCord, margin_mm: 5}
  - name: Cord_Core
    colour: [7, 8, 9]
    contract:
      of: SpinalCord
      margin_mm: {left: 1, right: 1, superior: 3}
  - name: Overlap
    colour: [7, 8, 9]
    intersection: {of: [Cord_PRV05, Larynx]}
  - name: Rest
    colour: [7, 8, 9]
    difference: {of: Larynx, minus: [Cord_PRV05]}
  - name: BODY
    colour: [0, 255, 0]
    interpreted_type: EXTERNAL
    body_outline: {threshold_hu: -300}
name_limit: 32
holes: xor
keep_empty: true
mark_cut: true
segmentation: true
sources:
  name_limit: the clinic's physicist
"""


def written(folder: Path, text: str, name: str = "site.yaml") -> Path:
    """A template file."""
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def fault_of(folder: Path, text: str) -> str:
    """What is told of a wrong file, without its path."""
    file = written(folder, text)
    with pytest.raises(InvalidTemplateError) as refused:
        read_template(file)
    assert refused.value.file == file
    return refused.value.fault


def test_everything_a_template_can_say_is_read(tmp_path: Path) -> None:
    """The whole schema, once."""
    file = written(tmp_path, FULL)

    template = read_template(file)

    assert template.name == "site"
    assert template.structures == (
        WantedStructure("SpinalCord", "Myelon", (200, 0, 0), "AVOIDANCE"),
        WantedStructure("Parotids"),
    )
    assert (template.name_limit, template.holes) == (32, HoleEncoding.XOR)
    assert (template.keeps_empty, template.marks_cut, template.with_segmentation) == (True,) * 3
    assert template.checksum == hashlib.sha256(file.read_bytes()).hexdigest()
    assert {derived.structure.name: derived.derivation for derived in template.derived} == {
        "Parotids": Union(("Parotid_L", "Parotid_R")),
        "Rind": Ring("Parotids", 2.0, 12.5),
        "Cord_PRV05": Expansion("SpinalCord", Margins.even(5.0)),
        "Cord_Core": Contraction("SpinalCord", Margins(1.0, 1.0, 0.0, 0.0, 0.0, 3.0)),
        "Overlap": Intersection(("Cord_PRV05", "Larynx")),
        "Rest": Difference("Larynx", ("Cord_PRV05",)),
        "BODY": BodyOutline(-300.0),
    }
    parotids = template.derived[0].structure
    assert (parotids.label, parotids.description) == (0, "Both parotid glands")
    assert parotids.code == CodedConcept("45289007", "SCT", "Parotid gland")
    assert parotids.laterality == CodedConcept("51440002", "SCT", "Bilateral")


def test_a_derived_structure_stands_after_what_it_is_made_of(tmp_path: Path) -> None:
    """The file may list them as a reader likes; they are made in this order."""
    template = read_template(written(tmp_path, FULL))

    assert [derived.structure.name for derived in template.derived] == [
        "Parotids",
        "Rind",
        "Cord_PRV05",
        "Cord_Core",
        "Overlap",
        "Rest",
        "BODY",
    ]


def test_a_name_alone_makes_the_plain_template(tmp_path: Path) -> None:
    """What is left out is as the generic one has it."""
    template = read_template(written(tmp_path, HEAD))

    assert template == Template("site", checksum=template.checksum)


DERIVED = HEAD + "derived:\n"
WRONG = {
    "a missing field": ("name: site\n", r"line 1, format: Field required\."),
    "an unknown field": (HEAD + "hole: xor\n", r"line 3, hole: Extra inputs are not permitted\."),
    "another format": ("format: 2\nname: site\n", r"line 1, format: Input should be 1\."),
    "a wrong value": (HEAD + "\nholes: ring\n", r"line 4, holes: Input should be 'keyhole', "),
    "a name with capitals": ("format: 1\nname: Site\n", r"line 2, name: String should match"),
    "a limit beyond DICOM": (HEAD + "name_limit: 65\n", r"line 3, name_limit: .* equal to 64\."),
    "no structures": (HEAD + "structures: []\n", r"line 3, structures: Tuple should have at least"),
    "a type that is none": (
        HEAD + "structures:\n- source: A\n- source: B\n  interpreted_type: LUNG\n",
        r"line 6, structures\.1\.interpreted_type: Input should be 'ORGAN'",
    ),
    "a colour of two": (
        HEAD + "structures:\n- {source: A, colour: [1, 2]}\n",
        r"line 4, structures\.0\.colour\.2: Field required\.",
    ),
    "a name of two words": (
        HEAD + "structures:\n- {source: A, name: Two Words}\n",
        r"line 4, structures\.0\.name: String should match pattern",
    ),
    "a name over the limit": (
        HEAD + "structures:\n- {source: A, name: SeventeenLetters1}\n",
        r"line 4, structures\.0\.name: SeventeenLetters1 is longer than name_limit, 16 characters",
    ),
    "a source over the limit": (
        HEAD + "name_limit: 8\nstructures:\n- {source: SpinalCord}\n",
        r"line 5, structures\.0\.source: SpinalCord is longer than name_limit, 8 ",
    ),
    "a derived name over the limit": (
        HEAD
        + "name_limit: 8\nderived:\n- {name: Parotids1, colour: [1, 2, 3], body_outline: {}}\n",
        r"line 5, derived\.0\.name: Parotids1 is longer than name_limit, 8 characters\.",
    ),
    "two structures of one name": (
        HEAD + "structures:\n- source: A\n- source: B\n  name: a\n",
        r"line 6, structures\.1\.name: a stands there twice, but for case\.",
    ),
    "two derived structures of one name": (
        DERIVED
        + "- {name: A, colour: [1, 2, 3], body_outline: {}}\n"
        + "- {name: a, colour: [1, 2, 3], body_outline: {}}\n",
        r"line 5, derived\.1\.name: a stands there twice, but for case\.",
    ),
    "a code that DICOM would take for two": (
        DERIVED
        + "- {name: A, colour: [1, 2, 3], body_outline: {}, code: {value: '1', scheme: SCT,\n"
        + "    meaning: 'Skin\\Body'}}\n",
        r"line 5, derived\.0\.code\.meaning: String should match pattern",
    ),
    "no derivation": (
        DERIVED + "- {name: A, colour: [1, 2, 3]}\n",
        r"line 4, derived\.0: give exactly one of union, intersection, difference, expand, ",
    ),
    "two derivations": (
        DERIVED + "- {name: A, colour: [1, 2, 3], body_outline: {}, union: {of: [B, C]}}\n",
        r"line 4, derived\.0: give exactly one of union",
    ),
    "a union of one": (
        DERIVED + "- {name: A, colour: [1, 2, 3], union: {of: [B]}}\n",
        r"line 4, derived\.0\.union\.of: Tuple should have at least 2 items",
    ),
    "a negative margin": (
        DERIVED + "- {name: A, colour: [1, 2, 3], expand: {of: B, margin_mm: -1}}\n",
        r"line 4, derived\.0\.expand\.margin_mm: Input should be greater than 0\.",
    ),
    "no margin on any side": (
        DERIVED + "- {name: A, colour: [1, 2, 3], expand: {of: B, margin_mm: {left: 0}}}\n",
        r"line 4, derived\.0\.expand\.margin_mm: one side at least has a margin above 0 mm\.",
    ),
    "a margin towards no side": (
        DERIVED + "- {name: A, colour: [1, 2, 3], expand: {of: B, margin_mm: {\n  up: 3}}}\n",
        r"line 5, derived\.0\.expand\.margin_mm\.up: Extra inputs are not permitted\.",
    ),
    "a ring inside out": (
        DERIVED + "- {name: A, colour: [1, 2, 3], ring: {of: B, inner_mm: 5, outer_mm: 5}}\n",
        r"line 4, derived\.0\.ring: a ring's outer_mm is larger than its inner_mm\.",
    ),
    "a structure made of itself": (
        DERIVED
        + "- {name: A, colour: [1, 2, 3], union: {of: [D, B]}}\n"
        + "- {name: B, colour: [1, 2, 3], union: {of: [C, D]}}\n"
        + "- {name: C, colour: [1, 2, 3], union: {of: [D, B]}}\n",
        r"line 5, derived\.1: made of itself: B -> C -> B\.",
    ),
    "a source of no setting": (
        HEAD + "sources:\n  colour: a guess\n",
        r"line 4, sources\.colour: there is no such setting\.",
    ),
    "a key that stands there twice": (
        HEAD + "structures:\n- source: A\n  source: B\n",
        r"line 5: source stands there twice\.",
    ),
    "a list": ("- format: 1\n", r"it is no list of settings"),
    "nothing": ("", r"it is no list of settings"),
    "no YAML": ("format: [1\n", r"it is not YAML: while parsing"),
    "two documents": ("format: 1\n---\nformat: 1\n", r"it is not YAML: expected a single document"),
}


@pytest.mark.parametrize(("text", "fault"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_template_is_refused_with_its_line(tmp_path: Path, text: str, fault: str) -> None:
    """Whoever wrote it must find the fault without reading our code."""
    assert re.match(fault, fault_of(tmp_path, text))


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    """An editor's Latin-1 must not end in another error."""
    file = tmp_path / "site.yaml"
    file.write_bytes(HEAD.encode() + b"description: Dr\xfcse\n")

    with pytest.raises(InvalidTemplateError, match="it is not YAML"):
        read_template(file)


def test_the_shipped_templates_are_found_by_name() -> None:
    """These five are promised."""
    templates = find_templates()

    assert sorted(templates) == ["eclipse", "generic", "monaco", "pinnacle", "raystation"]
    assert all(name == template.name for name, template in templates.items())
    assert templates["generic"] == GENERIC
    assert len({template.checksum for template in templates.values()}) == 5


def test_every_value_of_a_shipped_template_has_its_source() -> None:
    """A value without one is a rumour; "unverified" says that it is."""
    for file in SHIPPED.glob("*.yaml"):
        template = read_template_file(file)

        settings = template.model_fields_set - {"format", "name", "description", "sources"}

        assert settings == set(template.sources)
        assert settings >= {"name_limit", "holes", "keep_empty", "mark_cut", "segmentation"}
        assert all(template.sources.values())
        if template.name != "generic":
            assert all(text.startswith("unverified") for text in template.sources.values())


def test_a_site_s_templates_stand_beside_the_shipped_ones(tmp_path: Path) -> None:
    """One folder, or several."""
    written(tmp_path / "one", HEAD)
    written(tmp_path / "two", HEAD.replace("site", "other"))
    (tmp_path / "two" / "notes.txt").write_text("not a template")

    templates = find_templates([tmp_path / "one", tmp_path / "two"])

    assert set(templates) - set(find_templates()) == {"site", "other"}


@pytest.mark.parametrize("name", ["generic", "site"])
def test_two_files_of_one_name_are_refused(tmp_path: Path, name: str) -> None:
    """Which of them is meant must not depend on the order of folders."""
    written(tmp_path, HEAD)
    second = written(tmp_path, f"format: 1\nname: {name}\n", "zz.yaml")

    with pytest.raises(InvalidTemplateError, match=f"has the name {name} too") as refused:
        find_templates([tmp_path])

    assert refused.value.file == second


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    """A misspelled setting must not pass for a folder without templates."""
    with pytest.raises(InvalidTemplateError, match="no such folder; check OARLOCK_TEMPLATES"):
        find_templates([tmp_path / "typo"])


def test_a_template_is_picked_by_name() -> None:
    """Or the sender is told which there are."""
    templates = find_templates()

    assert pick_template(templates, "eclipse").description == "Varian Eclipse"
    with pytest.raises(UnknownTemplateError, match="known templates: eclipse, generic, monaco"):
        pick_template(templates, "xio")
