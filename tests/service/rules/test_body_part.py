"""The body part: what the tags say together, and unknown where they contradict each other."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset

from service.rules.body_part import find_body_part
from service.rules.body_words import BEGINNINGS, EXACT, PAIRS, BodyPart
from tests.service.rules.subjects import build_header

WORDS = {
    "head-and-neck": [
        *("CT head and neck", "Kopf-Hals", "HNO Bestrahlung", "Tête et cou", "ORL", "Cabeza"),
        *("Cuello con contraste", "Testa e collo", "Hoofd-hals", "LARYNX", "H&N mask", "C-Spine"),
    ],
    "brain": ["Brain mets", "Gehirn", "Hirn SRS", "Cerveau", "Encéfalo", "Cervello", "Hersenen"],
    "thorax": [
        *("Chest", "CT THORAX 2mm", "Lunge 4D", "Poumon DIBH", "Tórax", "Torace", "Longen", "Lung"),
        *("Œsophage", "Mediastinum"),
    ],
    "breast": ["Breast left", "Mamma re", "Brust/Mamma", "Mama izquierda", "Mammella sx", "Seins"],
    "abdomen": ["Abdomen", "Oberbauch", "Leber", "Foie", "Hígado", "Fegato", "Addome", "Buik"],
    "pelvis": [
        *("Pelvis", "Beckenübersicht", "Prostata", "Bassin", "Próstata", "Bacino", "Bekken"),
        *("Rectum prone", "Cervix"),
    ],
    "extremity": ["Left knee", "Oberschenkel", "Membre inférieur", "Pierna", "Ginocchio", "Voet"],
    "whole-body": ["Whole body", "Ganzkörper", "Corps entier", "Cuerpo entero", "Total Body"],
    "unknown": ["", "Default protocol", "RT planning 3mm", "arms up", "Head First Supine", "B30s"],
}


@pytest.mark.parametrize(
    ("part", "text"), [(part, text) for part, texts in WORDS.items() for text in texts]
)
def test_a_word_of_six_languages_names_its_part(part: str, text: str) -> None:
    """Also with accents, in capitals and in compounds."""
    found = find_body_part(build_header(SeriesDescription=text))

    assert found.part == part
    assert bool(found.said) is (part != "unknown")


@pytest.mark.parametrize(
    ("term", "part"),
    [
        ("HEADNECK", "head-and-neck"),
        ("HEAD", "head-and-neck"),
        ("NECK", "head-and-neck"),
        ("BRAIN", "brain"),
        ("CHEST", "thorax"),
        ("BREAST", "breast"),
        ("ABDOMEN", "abdomen"),
        ("PELVIS", "pelvis"),
        ("PROSTATE", "pelvis"),
        ("LEG", "extremity"),
        ("WHOLEBODY", "whole-body"),
        ("ABDOMENPELVIS", "unknown"),
        ("CHESTABDPELVIS", "unknown"),
    ],
)
def test_a_defined_term_of_body_part_examined_is_known(term: str, part: str) -> None:
    """DICOM PS3.16 Annex L; one that names several parts names none of ours."""
    assert find_body_part(build_header(BodyPartExamined=term)).part == part


@pytest.mark.parametrize(
    ("code", "scheme", "meaning", "part"),
    [
        ("774007", "SCT", "Kopf und Nacken", "head-and-neck"),
        ("T-D3000", "SRT", "胸部", "thorax"),
        ("818981001", "SCT", "腹部", "abdomen"),
        ("999", "99LOCAL", "Pelvis minor", "pelvis"),
    ],
)
def test_the_anatomic_region_is_known_by_its_code(
    code: str, scheme: str, meaning: str, part: str
) -> None:
    """In any language; a code of one's own is read by its meaning."""
    region = build_header(CodeValue=code, CodingSchemeDesignator=scheme, CodeMeaning=meaning)

    found = find_body_part(build_header(AnatomicRegionSequence=[region]))

    assert found.part == part


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({"BodyPartExamined": "HEAD", "SeriesDescription": "Brain SRS"}, "brain"),
        ({"BodyPartExamined": "CHEST", "ProtocolName": "Mamma links"}, "breast"),
        ({"StudyDescription": "CT Thorax/Abdomen/Becken", "SeriesDescription": "Becken"}, "pelvis"),
        ({"BodyPartExamined": "CHESTABDPELVIS", "SeriesDescription": "Abdomen"}, "abdomen"),
        ({"StudyDescription": "CT ABDOMEN", "SeriesDescription": "CT CH/AB/PEL"}, "abdomen"),
        ({"BodyPartExamined": "HEAD", "RequestedProcedureDescription": "Hals"}, "head-and-neck"),
    ],
)
def test_a_narrower_word_makes_a_wider_one_precise(values: dict[str, str], part: str) -> None:
    """A breast is planned on what the scanner calls a chest."""
    assert find_body_part(build_header(**values)).part == part


def test_tags_that_contradict_each_other_make_it_unknown() -> None:
    """A scanner writes the protocol's part, whatever lies on its table."""
    found = find_body_part(build_header(BodyPartExamined="CHEST", SeriesDescription="Becken 3mm"))

    assert found.part is BodyPart.UNKNOWN
    assert found.reason == "BodyPartExamined says thorax or breast, SeriesDescription says pelvis"


def test_a_series_that_says_nothing_is_unknown() -> None:
    """Nothing is guessed."""
    found = find_body_part(Dataset())

    assert (found.part, found.reason) == (BodyPart.UNKNOWN, "no tag names one")


def test_every_word_of_the_vocabulary_can_be_found() -> None:
    """Words are compared in small letters without accents."""
    words = [*EXACT, *BEGINNINGS, *(word for pair in PAIRS for word in pair)]

    assert [word for word in words if not (word.isascii() and word.islower())] == []
    assert not set(EXACT) & set(BEGINNINGS)
