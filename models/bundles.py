"""Model bundles: folders with a card and ONNX files, found and verified without a runtime."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from contouring.errors import InvalidBundleError, InvalidConfigurationError, UnknownModelError
from models.card import HalfCard, ModelCard, StageCard
from models.yaml_files import read_yaml_file

RELEASED = Path(__file__).parent / "released"
CARD = "card.yaml"


@dataclass(frozen=True)
class Bundle:
    """A verified model folder; `checksum` is the sha256 of its card, which names its artifacts'."""

    folder: Path
    card: ModelCard
    checksum: str


def find_bundles(folders: Iterable[Path]) -> dict[str, Bundle]:
    """Every bundle among the children of `folders`, by name; the first of a name wins.

    Raises `InvalidBundleError` for a folder with a wrong card, checksum or name.
    """
    found: dict[str, Bundle] = {}
    for folder in folders:
        if not folder.is_dir():
            raise InvalidBundleError(folder, "there is no such folder; check OARLOCK_MODELS.")
        for card in sorted(folder.glob(f"*/{CARD}")):
            bundle = read_bundle(card.parent)
            found.setdefault(bundle.card.name, bundle)
    return found


def pick_bundle(bundles: dict[str, Bundle], name: str) -> Bundle:
    """The bundle of that name, or `UnknownModelError` naming those there are."""
    if name not in bundles:
        raise UnknownModelError(name, sorted(bundles))
    return bundles[name]


def read_bundle(folder: Path) -> Bundle:
    """One bundle, its card validated and its artifacts' checksums compared."""
    path = folder / CARD
    text = path.read_bytes()
    try:
        card = read_yaml_file(path, ModelCard, text)
    except InvalidConfigurationError as error:
        raise InvalidBundleError(folder, f"the card {CARD}: {' '.join(error.faults)}") from error
    for stage in (card.localizer, card.segmenter):
        if stage is not None:
            _check_artifact(folder, stage)
        if stage is not None and stage.half is not None:
            _check_artifact(folder, stage.half)
    return Bundle(folder, card, hashlib.sha256(text).hexdigest())


def _check_artifact(folder: Path, stage: StageCard | HalfCard) -> None:
    path = folder / stage.artifact
    if not path.is_file():
        raise InvalidBundleError(folder, f"{stage.artifact} is missing.")
    status = path.stat()
    actual = _sha256(path, status.st_mtime_ns, status.st_size)
    if actual != stage.sha256:
        raise InvalidBundleError(
            folder,
            f"{stage.artifact} has the sha256 {actual}, not {stage.sha256} as its card says: copy "
            "the bundle again.",
        )


@lru_cache(maxsize=64)
def _sha256(path: Path, modified_ns: int, size: int) -> str:
    """Remembered until the file changes: a worker looks through all bundles for each it opens."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
