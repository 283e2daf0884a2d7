"""What is fuzzed: functions that take any bytes, and raise nothing but what they promise."""

from __future__ import annotations

import io
import struct
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from contouring.dicom_files import PREAMBLE
from contouring.dicom_gate import DicomLimits, check_file
from contouring.dicom_series import find_series
from contouring.errors import (
    BrokenZipError,
    InvalidConfigurationError,
    InvalidTemplateError,
    NotDicomError,
    UnsafeZipError,
    UnusableInputError,
    UploadTooLargeError,
)
from contouring.lint import lint_structure_set
from models.card import ModelCard
from models.template_file import TemplateFile
from models.yaml_files import read_yaml_file
from service.archives import unpack
from service.multipart_parts import BrokenMultipartError, PartSplitter
from service.rules.rule_set import read_rule_set
from service.staged_files import StagedFile
from tests.conftest import REPOSITORY
from workers.settings import Settings

# Small ones: what a limit costs to reach is tested elsewhere.
LIMITS = DicomLimits(
    file_bytes=2**20, elements=2000, items=500, value_bytes=2**16, inflate_ratio_bytes=2**20
)
ZIP_LIMITS = Settings(zip_entries=20, zip_inflated_bytes=2**20, zip_ratio_bytes=2**16)
BOUNDARY = b"bound"
FILE = Path("fuzzed.yaml")
SCRATCH = tempfile.TemporaryDirectory()


@dataclass(frozen=True)
class Target:
    """`run` takes any bytes; `seeds`: sound ones to begin with."""

    run: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]


def run_gate(content: bytes) -> None:
    """A file as it is sent: through the gate, then judged as a series of one slice."""
    path = Path(SCRATCH.name) / "file.dcm"
    path.write_bytes(PREAMBLE + content)
    try:
        check_file(path, LIMITS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            find_series([path])
    except UnusableInputError:
        return


def run_multipart(content: bytes) -> None:
    """A body in pieces, whose length the first byte says; each part closed, or none."""
    size = content[0] + 1 if content else 1
    parts: list[_Part] = []

    def open_part(headers: Mapping[str, bytes]) -> _Part:
        assert all(name == name.lower() for name in headers)
        assert not parts or parts[-1].is_closed
        parts.append(_Part())
        return parts[-1]

    splitter = PartSplitter(BOUNDARY, open_part)
    try:
        for start in range(1, len(content), size):
            splitter.feed(content[start : start + size])
        splitter.close()
    except BrokenMultipartError:
        return
    assert all(part.is_closed for part in parts)
    assert sum(part.size for part in parts) <= len(content)


def run_zip(content: bytes) -> None:
    """An archive that is sent; nothing of it lies anywhere but in the folder for it."""
    with tempfile.TemporaryDirectory(dir=SCRATCH.name) as folder:
        path = Path(folder) / "sent.zip"
        path.write_bytes(content)
        target = Path(folder) / "staging"
        target.mkdir()
        try:
            unpacked = unpack(StagedFile(path, path.name, ""), target, ZIP_LIMITS)
        except (BrokenZipError, UnsafeZipError, UploadTooLargeError):
            return
        assert {file.path for file in unpacked} == set(target.iterdir())


def run_card(content: bytes) -> None:
    """A model's card."""
    try:
        read_yaml_file(FILE, ModelCard, content)
    except InvalidConfigurationError:
        return


def run_rules(content: bytes) -> None:
    """A site's rules, or those that a request brings to be tried."""
    try:
        read_rule_set(FILE, None, content)
    except InvalidConfigurationError:
        return


def run_template(content: bytes) -> None:
    """A site's template."""
    try:
        read_yaml_file(FILE, TemplateFile, content).build("0" * 64)
    except (InvalidConfigurationError, InvalidTemplateError):
        return


def run_lint(content: bytes) -> None:
    """Anybody's structure set."""
    try:
        lint_structure_set(PREAMBLE + content)
    except NotDicomError:
        return


class _Part:
    def __init__(self) -> None:
        self.is_closed = False
        self.size = 0

    def write(self, piece: memoryview) -> None:
        assert not self.is_closed
        self.size += len(piece)

    def close(self) -> None:
        assert not self.is_closed
        self.is_closed = True


def _seed_gate() -> Iterator[bytes]:
    from tests.hostile.attacks import build_small_attacks
    from tests.hostile.mutations import build_originals

    for _, content in (*build_originals(), *build_small_attacks().items()):
        if content.startswith(bytes(128) + b"DICM") and len(content) < 10_000:
            yield content[len(PREAMBLE) :]


def _seed_multipart() -> Iterator[bytes]:
    part = b"--bound\r\nContent-Type: application/dicom\r\nA: b\r\n\r\ncontent\r\n"
    for size in (0, 1, 6, 30, 255):
        yield bytes([size]) + b"\r\n" + part + part + b"--bound--\r\n"


def _seed_zip() -> Iterator[bytes]:
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", method) as opened:
            opened.writestr("folder/slice.dcm", PREAMBLE)
            opened.writestr("größe", b"content")
        yield archive.getvalue()


def _seed_yaml(pattern: str) -> Callable[[], Iterator[bytes]]:
    def read() -> Iterator[bytes]:
        for path in sorted(REPOSITORY.glob(pattern)):
            yield path.read_bytes()

    return read


def _seed_rules() -> Iterator[bytes]:
    page = (REPOSITORY / "docs" / "rules.md").read_text()
    for block in page.split("```yaml\n")[1:]:
        yield block.partition("```")[0].encode()


def _seed_lint() -> Iterator[bytes]:
    from tests.contouring.tiny_structure_sets import written

    with tempfile.TemporaryDirectory() as folder:
        content, _ = written(Path(folder))
    sample = content[len(PREAMBLE) :]
    yield sample
    broken = bytearray(sample)
    struct.pack_into("<L", broken, len(broken) // 2, 0xFFFFFFFF)
    yield bytes(broken)


TARGETS = {
    "gate": Target(run_gate, _seed_gate),
    "multipart": Target(run_multipart, _seed_multipart),
    "zip": Target(run_zip, _seed_zip),
    "card": Target(run_card, _seed_yaml("models/released/*/card.yaml")),
    "rules": Target(run_rules, _seed_rules),
    "template": Target(run_template, _seed_yaml("models/templates/*.yaml")),
    "lint": Target(run_lint, _seed_lint),
}
