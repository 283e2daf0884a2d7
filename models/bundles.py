"""Model bundles: folders with a card and ONNX files, found and verified without a runtime."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from contouring.errors import InvalidBundleError, InvalidConfigurationError, UnknownModelError
from models.artifacts import check_artifact, read_bundle_file
from models.card import ModelCard
from models.signatures import TrustedKeys, check_signature, read_trusted_keys
from models.yaml_files import read_yaml_file

RELEASED = Path(__file__).parent / "released"
CARD = "card.yaml"


@dataclass(frozen=True)
class Bundle:
    """A verified model folder; `checksum` is the sha256 of its card, which names its artifacts'."""

    folder: Path
    card: ModelCard
    checksum: str


def find_bundles(folders: Iterable[Path], keys: Path | None = None) -> dict[str, Bundle]:
    """Every bundle among the children of `folders`, by name; the first of a name wins.

    `keys`: who must have signed them, but for the released, which came with the code that looks.
    Raises `InvalidBundleError` for a folder with a wrong card, checksum, signature or name.
    """
    trusted = None if keys is None else read_trusted_keys(keys)
    found: dict[str, Bundle] = {}
    for folder in folders:
        if not folder.is_dir():
            raise InvalidBundleError(folder, "there is no such folder; check OARLOCK_MODELS.")
        for card in sorted(folder.glob(f"*/{CARD}")):
            bundle = read_bundle(card.parent, None if folder == RELEASED else trusted)
            found.setdefault(bundle.card.name, bundle)
    return found


def pick_bundle(bundles: dict[str, Bundle], name: str) -> Bundle:
    """The bundle of that name, or `UnknownModelError` naming those there are."""
    if name not in bundles:
        raise UnknownModelError(name, sorted(bundles))
    return bundles[name]


def read_bundle(folder: Path, trusted: TrustedKeys | None = None) -> Bundle:
    """One bundle, its card validated and its artifacts' checksums compared.

    `trusted`: the keys of which one must have signed the card; nothing of it is read before.
    """
    path = folder / CARD
    text = read_bundle_file(folder, CARD)
    if trusted is not None:
        check_signature(folder, text, trusted)
    try:
        card = read_yaml_file(path, ModelCard, text)
    except InvalidConfigurationError as error:
        raise InvalidBundleError(folder, f"the card {CARD}: {' '.join(error.faults)}") from error
    for stage in (card.localizer, card.segmenter):
        if stage is not None:
            check_artifact(folder, stage)
        if stage is not None and stage.half is not None:
            check_artifact(folder, stage.half)
    return Bundle(folder, card, hashlib.sha256(text).hexdigest())
