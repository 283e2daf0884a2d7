"""The head of an encrypted file: whose key opens it, and which place it was written for."""

from __future__ import annotations

import os
from dataclasses import dataclass
from io import FileIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAGIC = b"\x89OARSEAL"  # no text and no DICOM file begins so
ID_BYTES = 16
PLACE_BYTES = 32
NONCE_BYTES = 12
KEY_BYTES = 32
WRAPPED_BYTES = NONCE_BYTES + KEY_BYTES + 16
SEAL_BYTES = len(MAGIC) + ID_BYTES + PLACE_BYTES + WRAPPED_BYTES
PURPOSE = b"oarlock file 1\0"


@dataclass(frozen=True)
class Seal:
    """`key_id`: of the study's key (hex); `place`: what the file holds, or where it belongs.

    `wrapped`: the file's own key, which the study's opens, for this place alone.
    """

    key_id: str
    place: bytes
    wrapped: bytes

    def pack(self) -> bytes:
        """As the file begins."""
        return MAGIC + bytes.fromhex(self.key_id) + self.place + self.wrapped


def read_seal(file: FileIO) -> Seal | None:
    """Of an opened file; None of one that is not encrypted."""
    head = os.pread(file.fileno(), SEAL_BYTES, 0)
    if not head.startswith(MAGIC) or len(head) < SEAL_BYTES:
        return None
    place_at = len(MAGIC) + ID_BYTES
    wrapped_at = place_at + PLACE_BYTES
    return Seal(head[len(MAGIC) : place_at].hex(), head[place_at:wrapped_at], head[wrapped_at:])


def wrap_key(key: bytes, by: bytes, bound_to: bytes) -> bytes:
    """A key that only `by` opens, and only together with the same words."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(by).encrypt(nonce, key, bound_to)


def unwrap_key(wrapped: bytes, by: bytes, bound_to: bytes) -> bytes | None:
    """The key; None where it was wrapped by another one or for something else."""
    try:
        return AESGCM(by).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], bound_to)
    except (InvalidTag, ValueError):
        return None


def seal_key(file_key: bytes, key_id: str, study_key: bytes, place: bytes) -> Seal:
    """The seal of a file that is to lie in a place."""
    bound_to = PURPOSE + bytes.fromhex(key_id) + place
    return Seal(key_id, place, wrap_key(file_key, study_key, bound_to))


def open_seal(seal: Seal, study_key: bytes) -> bytes | None:
    """The file's own key; None where the seal was changed."""
    bound_to = PURPOSE + bytes.fromhex(seal.key_id) + seal.place
    return unwrap_key(seal.wrapped, study_key, bound_to)
