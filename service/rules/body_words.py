"""The words and codes that name a part of the body, in six languages.

English, German, French, Spanish, Italian, Dutch, and the defined terms of BodyPartExamined (DICOM
PS3.16 Annex L). A word may leave it open which of several parts is meant. Left out are words that
mean something else in another language or in a protocol's name: long (Dutch: lung), been (Dutch:
leg), sein (French: breast; German: to be), main (French: hand), arm (arms up, arms down).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class BodyPart(StrEnum):
    """What rules can ask for."""

    HEAD_AND_NECK = "head-and-neck"
    BRAIN = "brain"
    THORAX = "thorax"
    BREAST = "breast"
    ABDOMEN = "abdomen"
    PELVIS = "pelvis"
    EXTREMITY = "extremity"
    WHOLE_BODY = "whole-body"
    UNKNOWN = "unknown"


Parts = frozenset[BodyPart]

_NECK = frozenset({BodyPart.HEAD_AND_NECK})
_BRAIN = frozenset({BodyPart.BRAIN})
_HEAD = _NECK | _BRAIN
_THORAX = frozenset({BodyPart.THORAX})
_BREAST = frozenset({BodyPart.BREAST})
_CHEST = _THORAX | _BREAST
_ABDOMEN = frozenset({BodyPart.ABDOMEN})
_PELVIS = frozenset({BodyPart.PELVIS})
_EXTREMITY = frozenset({BodyPart.EXTREMITY})
_WHOLE = frozenset({BodyPart.WHOLE_BODY})

# Where words leave these open, the first is meant: a head without a word of its brain.
READ_AS: Mapping[Parts, BodyPart] = {
    _HEAD: BodyPart.HEAD_AND_NECK,
    _CHEST: BodyPart.THORAX,
}

# Whole words without accents; with a star, all words that begin so. Of several the longest counts.
# fmt: off
_VOCABULARY: tuple[tuple[Parts, str], ...] = (
    (_HEAD, "head kopf tete cabeza testa capo hoofd"),
    (_HEAD, "skull schadel* schedel* crane craneo cranio cranium"),
    (_NECK, "neck headneck hals cou cuello collo cspine hws"),
    (_NECK, "larynx laryn* laring* pharyn* faring* oropharyn* nasopharyn* hypopharyn*"),
    (_NECK, "parotis parotid* tongue zunge langue lengua lingua tong mandib* sinus hno orl kno"),
    (_BRAIN, "brain cerebr* hirn* gehirn* cerveau cervello hersen* encephal* encefal*"),
    (_BRAIN, "neurocran* pituitar* hypophys*"),
    (_CHEST, "chest brust* thora* torax torac* borst* poitrine pecho petto"),
    (_THORAX, "lung lungs lunge lungen* poumon* pulmon* polmon* longen"),
    (_THORAX, "heart herz coeur corazon cuore mediast*"),
    (_THORAX, "oesoph* esoph* osophag* esof* tspine bws"),
    (_BREAST, "breast* mama mamma* mamella* mammell* seno seins"),
    (_ABDOMEN, "abdom* abd addom* bauch* oberbauch* buik* ventre lspine lws"),
    (_ABDOMEN, "liver leber* foie higado fegato lever pancrea* pankrea*"),
    (_ABDOMEN, "kidney* niere* rinon* stomach magen estomac estomago stomaco maag"),
    (_PELVIS, "pelvi* pel becken* bassin bacino bekken* hip hufte hanche cadera anca heup"),
    (_PELVIS, "prosta* bladder harnblase blase vessie vejiga vescica blaas"),
    (_PELVIS, "rectum rektum recto retto uterus uterin* cervix portio"),
    (_EXTREMITY, "extremity extremit* extremid* membre* miembro* arto arti"),
    (_EXTREMITY, "leg legs bein beine jambe* pierna* gamba gambe femur"),
    (_EXTREMITY, "thigh oberschenkel* cuisse muslo coscia knee knie genou rodilla ginocchio"),
    (_EXTREMITY, "foot fuss pied piede voet ankle hand mano wrist"),
    (_EXTREMITY, "forearm unterarm oberarm humerus elbow ellenbogen coude codo gomito elleboog"),
    (_EXTREMITY, "shoulder schulter* epaule hombro spalla schouder*"),
    (_WHOLE, "wholebody ganzkorper*"),
    # BodyPartExamined writes several parts as one word.
    (_ABDOMEN | _PELVIS, "abdomenpelvis abdpelvis"),
    (_THORAX | _ABDOMEN, "chestabdomen thoraxabdomen"),
    (_THORAX | _ABDOMEN | _PELVIS, "chestabdpelvis chestabdomenpelvis cap tap"),
    (_NECK | _THORAX, "neckchest"),
    (_NECK | _THORAX | _ABDOMEN, "neckchestabdomen"),
    (_NECK | _THORAX | _ABDOMEN | _PELVIS, "neckchestabdpelv"),
)
# fmt: on

# Two words, one after the other, that mean more than each alone.
PAIRS: Mapping[tuple[str, str], Parts] = {
    ("whole", "body"): _WHOLE,
    ("total", "body"): _WHOLE,
    ("corps", "entier"): _WHOLE,
    ("cuerpo", "entero"): _WHOLE,
    ("corpo", "intero"): _WHOLE,
    ("hele", "lichaam"): _WHOLE,
    ("head", "first"): frozenset(),  # how the patient lies
    ("feet", "first"): frozenset(),
    ("h", "n"): _NECK,
    ("ch", "ab"): _THORAX | _ABDOMEN,
    ("c", "spine"): _NECK,
    ("t", "spine"): _THORAX,
    ("l", "spine"): _ABDOMEN,
    ("cervical", "spine"): _NECK,
    ("thoracic", "spine"): _THORAX,
    ("lumbar", "spine"): _ABDOMEN,
}

EXACT: Mapping[str, Parts] = {
    word: parts for parts, words in _VOCABULARY for word in words.split() if word[-1] != "*"
}
BEGINNINGS: Mapping[str, Parts] = {
    word[:-1]: parts for parts, words in _VOCABULARY for word in words.split() if word[-1] == "*"
}

# Of CID 4031, in SNOMED CT with the codes it had before, and in SRT; others by their meaning.
CODES: Mapping[str, Parts] = {
    code: parts
    for parts, codes in (
        (_HEAD, "69536005 T-D1100 89546000 T-11100"),
        (_NECK, "774007 T-D1000 45048000 T-D1600 4596009 T-24100 122494005 T-11501"),
        (_BRAIN, "12738006 T-A0100"),
        (_CHEST, "816094009 51185008 T-D3000"),
        (_THORAX, "39607008 T-28000 72410000 T-D3300 80891009 T-32000 32849002 T-56000"),
        (_BREAST, "76752008 T-04000"),
        (_ABDOMEN, "818981001 113345001 T-D4000 10200004 T-62000 15776009 T-65000"),
        (_PELVIS, "816092008 12921003 T-D6000 41216001 T-92000 89837001 T-74000 34402009 T-59600"),
        (_EXTREMITY, "66019005 T-D0300 53120007 T-D8000 61685007 T-D9000 72696002 T-D9200"),
        (_WHOLE, "38266002 T-D0010"),
        (_ABDOMEN | _PELVIS, "818982008 416949008 R-FAB57"),
        (_THORAX | _ABDOMEN, "416550000 R-FAB55"),
        (_THORAX | _ABDOMEN | _PELVIS, "416775004 R-FAB56"),
        (_NECK | _THORAX, "417437006 R-FAB52"),
    )
    for code in codes.split()
}
