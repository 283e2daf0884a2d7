"""The key of a site's identities, which the service alone has, and what is made with it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
import stat
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from contouring.errors import IdentitySettingsError, TamperedIdentityError

KEY_BYTES = 32
NONCE_BYTES = 12  # SP 800-38D 8.2.2; by chance, for fewer than 2**32 texts
LABEL = "oarlock-identities-1:"  # in a file, so that no other secret is taken for one
MAKE = "make one with `oarlock identities make-key FILE`"
OTHERS = stat.S_IRWXG | stat.S_IRWXO
STANDARD_ROOT = "1.2.840.10008."  # UIDs of the standard itself (PS3.6 A): nobody's
SHIFTED_DAYS = 3650


class IdentityKey:
    """Replaces UIDs and words by what nobody can guess without it, and seals what they were.

    The same UID or word always gives the same, so that references and repeats still meet.
    """

    def __init__(self, secret: bytes) -> None:
        self._cipher = AESGCM(_derive(secret, "seal"))
        self._key = _derive(secret, "replace")
        # Tells keys apart, and nothing of the key itself.
        self.mark = self._tell("mark", "").hex()

    def hide_uid(self, uid: str) -> str:
        """What stands for a UID: one under 2.25 (PS3.5 B.2); the standard's own stay."""
        uid = uid.strip(" \0")
        if not uid or uid.startswith(STANDARD_ROOT):
            return uid
        number = int.from_bytes(self._tell("uid", uid)[:16], "big")
        number = number & ~(0xF << 76) | 0x8 << 76  # version 8 (RFC 9562 5.8)
        number = number & ~(0x3 << 62) | 0x2 << 62
        return f"2.25.{number}"

    def hide_word(self, kind: str, word: str) -> str:
        """What stands for a word: 16 letters of any text representation; nothing for nothing."""
        return self._tell(kind, word).hex()[:16].upper() if word else ""

    def hide_patient(self, patient_id: str) -> str:
        """What audit records make their pseudonym of, since workers can read its own key."""
        return self.hide_word("audit", patient_id.strip())

    def hide_content(self, sha256: str) -> str:
        """What stands for the checksum of a whole object, which would confirm a guess."""
        return self._tell("content", sha256).hex()

    def choose_days(self, patient_id: str) -> int:
        """By how many days a patient's dates are moved into the past, 1 to `SHIFTED_DAYS`."""
        return int.from_bytes(self._tell("days", patient_id)[:8], "big") % SHIFTED_DAYS + 1

    def seal(self, content: bytes, place: str) -> bytes:
        """Encrypt and authenticate (AES-256-GCM) what is opened again for the same place alone."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, content, place.encode())

    def unseal(self, sealed: bytes, place: str) -> bytes:
        """What was sealed for this place; raises `TamperedIdentityError`."""
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], place.encode())
        except (InvalidTag, ValueError) as error:
            raise TamperedIdentityError(
                "what was kept of it was changed, belongs to another object, or was made with "
                "another key. See the audit records and who may write to the database."
            ) from error

    def _tell(self, kind: str, text: str) -> bytes:
        return hmac.new(self._key, f"{kind}\0{text}".encode(), hashlib.sha256).digest()


def make_key_file(path: Path) -> None:
    """Write a new key that its owner alone may read; raises `FileExistsError`."""
    text = LABEL + base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode() + "\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(file.fileno(), 0o600)  # whatever the umask
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def read_key_file(path: Path | None) -> IdentityKey:
    """The key in a file that nobody else can read; raises `IdentitySettingsError`."""
    if path is None:
        raise IdentitySettingsError(f"OARLOCK_IDENTITY_KEY_FILE is not set: {MAKE}.")
    try:
        descriptor = os.open(path, os.O_RDONLY)
        with os.fdopen(descriptor) as file:
            found = os.fstat(file.fileno())
            text = file.read(1024) if stat.S_ISREG(found.st_mode) else ""
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise IdentitySettingsError(f"{path} cannot be read ({reason}): {MAKE}.") from error
    if found.st_mode & OTHERS:
        raise IdentitySettingsError(f"{path} is open to others: chmod 600 it, or make a new one.")
    try:
        label, secret = text[: len(LABEL)], base64.b64decode(text[len(LABEL) :], validate=False)
    except binascii.Error:
        label, secret = "", b""
    if label != LABEL or len(secret) != KEY_BYTES:
        raise IdentitySettingsError(f"{path} is no key of identities: {MAKE}.")
    return IdentityKey(secret)


def _derive(secret: bytes, use: str) -> bytes:
    info = f"oarlock identities 1 {use}".encode()
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=info).derive(secret)
