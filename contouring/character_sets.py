"""Letters: the CT's own character set where it holds our words too, Unicode where it does not.

DICOM PS3.3 C.12.1.1.2. Bytes of the CT are passed on as they are; they are decoded and written
anew only when a word of ours needs it and nothing of theirs is lost by it. `terms` are the values
of Specific Character Set (0008,0005), none for ASCII.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from pydicom.charset import (
    convert_encodings,
    decode_bytes,
    default_encoding,
    encode_string,
    python_encoding,
)
from pydicom.valuerep import PN_DELIMS

UNICODE = ("ISO_IR 192",)
ASCII_SPELLING = str.maketrans(
    {"–": "-", "—": "-", "−": "-", "×": "x", "…": "...", "’": "'", "“": '"', "”": '"', "µ": "u"}
)


@dataclass(frozen=True)
class Script:
    """The character set of a written object; `is_the_cts`: the CT's bytes are copied untouched."""

    terms: tuple[str, ...]
    is_the_cts: bool

    def spell(self, text: str) -> str:
        """The text, in ASCII where the character set lacks its letters."""
        return text if can_hold(self.terms, text) else to_ascii(text)


def choose_script(terms: tuple[str, ...], can_be_decoded: bool, words: str) -> Script:
    """The CT's character set if it holds our `words`; else Unicode, unless the CT's own text
    cannot be decoded with certainty."""
    if can_hold(terms, words) or not can_be_decoded:
        return Script(terms, is_the_cts=True)
    return Script(UNICODE, is_the_cts=False)


def can_hold(terms: tuple[str, ...], text: str) -> bool:
    """Whether a text comes back equal from these character sets."""
    if text.isascii():
        return True
    if not terms or not are_known(terms):
        return False
    encodings = convert_encodings(list(terms))
    if encodings[0] == default_encoding and _is_encodable(text, default_encoding):
        return False  # pydicom takes Latin-1 where the standard means ASCII
    if not any(_is_encodable(text, encoding) for encoding in encodings):
        return False
    return decode_text(encode_string(text, encodings), terms) == text


def are_known(terms: tuple[str, ...]) -> bool:
    """Whether DICOM has these character sets, and pydicom knows them."""
    return set(terms) <= set(python_encoding)


def decode_text(value: bytes, terms: tuple[str, ...]) -> str:
    """The letters of a value; U+FFFD for bytes that its character set does not have."""
    return decode_bytes(value, convert_encodings(list(terms)), PN_DELIMS)


def to_ascii(text: str) -> str:
    """Accents dropped, dashes and quotes made plain, the rest as question marks."""
    plain = unicodedata.normalize("NFKD", text.translate(ASCII_SPELLING))
    letters = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return letters.encode("ascii", "replace").decode()


def _is_encodable(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True
