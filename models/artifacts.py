"""The bytes of a bundle's files: its own, whole, and those that its card was written for."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from functools import lru_cache
from pathlib import Path

from contouring.errors import InvalidBundleError
from models.card import HalfCard, StageCard
from models.outside_data import find_outside_data

FILE_BYTES = 1 << 31  # protobuf's own limit


def read_artifact(folder: Path, stage: StageCard | HalfCard) -> bytes:
    """A network's file; these very bytes were compared, so nobody changes them before their use.

    Raises `InvalidBundleError` where they are not what the card names.
    """
    content = read_bundle_file(folder, stage.artifact)
    _judge(folder, stage, *_inspect(content))
    return content


def check_artifact(folder: Path, stage: StageCard | HalfCard) -> None:
    """The same without the bytes, remembered until the file changes."""
    try:
        status = (folder / stage.artifact).lstat()
    except FileNotFoundError:
        raise InvalidBundleError(folder, f"{stage.artifact} is missing.") from None
    seen = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    _judge(folder, stage, *_inspect_once(folder, stage.artifact, seen))


def read_bundle_file(folder: Path, name: str) -> bytes:
    """A regular file of the folder; a link would lead out of what a site has looked through."""
    try:
        descriptor = os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise InvalidBundleError(folder, f"{name} is missing.") from None
    except OSError as error:
        reason = "is a link" if error.errno == errno.ELOOP else f"cannot be read ({error.strerror})"
        raise InvalidBundleError(folder, f"{name} {reason}: copy the file itself.") from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_size > FILE_BYTES:
        os.close(descriptor)
        raise InvalidBundleError(folder, f"{name} is no file, or larger than 2 GiB.")
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


@lru_cache(maxsize=64)
def _inspect_once(folder: Path, name: str, _seen: tuple[int, ...]) -> tuple[str, str]:
    """A worker looks through all bundles for each it opens."""
    return _inspect(read_bundle_file(folder, name))


def _inspect(content: bytes) -> tuple[str, str]:
    """Checksum, and why no runtime may see it."""
    digest = hashlib.sha256(content).hexdigest()
    try:
        outside = find_outside_data(content)
    except ValueError as error:
        return digest, f"cannot be loaded: {error}."
    if not outside:
        return digest, ""
    return digest, (
        f"would read {', '.join(sorted(set(outside))[:3])} besides itself, which no checksum "
        "covers: save the graph with all its weights in it."
    )


def _judge(folder: Path, stage: StageCard | HalfCard, digest: str, fault: str) -> None:
    if digest != stage.sha256:
        raise InvalidBundleError(
            folder,
            f"{stage.artifact} has the sha256 {digest}, not {stage.sha256} as its card says: copy "
            "the bundle again.",
        )
    if fault:
        raise InvalidBundleError(folder, f"{stage.artifact} {fault}")
