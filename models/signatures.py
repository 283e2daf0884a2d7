"""Who vouches for a bundle: an ed25519 signature of its card, which names its files' checksums.

It is the plain signature of the card's bytes, so that OpenSSL makes and verifies the same one.
"""

from __future__ import annotations

import re
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from contouring.errors import InvalidBundleError, InvalidConfigurationError
from models.artifacts import read_bundle_file
from models.yaml_files import read_content

SIGNATURE = "card.sig"
PEM = re.compile(rb"-----BEGIN [A-Z ]+-----.*?-----END [A-Z ]+-----", re.DOTALL)

TrustedKeys = tuple[Ed25519PublicKey, ...]


def read_trusted_keys(path: Path) -> TrustedKeys:
    """The public keys of a file, or of every `*.pem` of a folder.

    Raises `InvalidConfigurationError` for anything else in it, and where there is none.
    """
    files = sorted(path.glob("*.pem")) if path.is_dir() else [path]
    keys = tuple(_read_public(file, block) for file in files for block in _read_blocks(file))
    if not keys:
        raise InvalidConfigurationError(path, ["it holds no key, so no model could be trusted."])
    return keys


def read_private_key(path: Path) -> Ed25519PrivateKey:
    """The key to sign with; raises `InvalidConfigurationError` for any other file."""
    try:
        key = load_pem_private_key(read_content(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise InvalidConfigurationError(
            path, ["it is no private ed25519 key (PEM, without a passphrase)."]
        )
    return key


def sign(card: bytes, key: Ed25519PrivateKey) -> bytes:
    """What `card.sig` holds: 64 bytes."""
    return key.sign(card)


def check_signature(folder: Path, card: bytes, trusted: TrustedKeys) -> None:
    """Raises `InvalidBundleError` unless one of the keys signed these very bytes."""
    if not (folder / SIGNATURE).exists():
        raise InvalidBundleError(
            folder,
            f"it is not signed ({SIGNATURE} is missing), and OARLOCK_MODEL_KEYS asks for that: "
            "sign it with oarlock models sign, once it has been looked through.",
        )
    signature = read_bundle_file(folder, SIGNATURE)
    if not any(_has_signed(key, signature, card) for key in trusted):
        raise InvalidBundleError(
            folder,
            "its signature is of none of the keys in OARLOCK_MODEL_KEYS, or its card was changed "
            "after it was signed: do not use it before you know which.",
        )


def _has_signed(key: Ed25519PublicKey, signature: bytes, card: bytes) -> bool:
    try:
        key.verify(signature, card)
    except InvalidSignature:
        return False
    return True


def _read_blocks(path: Path) -> list[bytes]:
    return PEM.findall(read_content(path))


def _read_public(path: Path, block: bytes) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(block)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise InvalidConfigurationError(path, ["it holds something besides public ed25519 keys."])
    return key
