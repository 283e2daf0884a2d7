"""Codecs run apart: they give the same pixels, and take nothing with them when they fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import UID, JPEG2000Lossless, RLELossless

from contouring.decoders import PACKAGES, Decoders, build_environment
from contouring.dicom_series import read_series
from contouring.frames import Frame
from contouring.volume import build_volume
from tests.contouring.ct_files import write_tiny_series
from tests.contouring.encodings import LOSSLESS_SYNTAXES, codestream, encode

PLANE = (np.arange(34 * 50).reshape(34, 50) % 4096).astype(np.uint16)
VALUES = {
    "SamplesPerPixel": 1,
    "PhotometricInterpretation": "MONOCHROME2",
    "Rows": 34,
    "Columns": 50,
    "BitsAllocated": 16,
    "BitsStored": 16,
    "HighBit": 15,
    "PixelRepresentation": 0,
}


def build_frame(syntax: UID = RLELossless) -> Frame:
    """A frame as a file of this syntax holds it."""
    return Frame(codestream(PLANE, syntax), str(syntax), VALUES, "OB", False, True)


@pytest.fixture(scope="module")
def decoders() -> Iterator[Decoders]:
    """Real ones."""
    with Decoders() as opened:
        yield opened


@pytest.mark.parametrize("syntax", LOSSLESS_SYNTAXES, ids=lambda uid: uid.name)
def test_the_pixels_are_those_that_were_encoded(decoders: Decoders, syntax: UID) -> None:
    """With every codec loaded before the right to open files was given up."""
    assert np.array_equal(decoders.decode(build_frame(syntax)), PLANE)


def test_a_compressed_series_is_the_same_volume(tmp_path: Path) -> None:
    """Several threads ask at once, each slice comes back in its own place."""
    files = write_tiny_series(tmp_path)
    plain = build_volume(read_series(tmp_path), lambda _: None).hu
    for file in files:
        encode(file, JPEG2000Lossless)

    compressed = build_volume(read_series(tmp_path), lambda _: None).hu

    assert np.array_equal(compressed, plain)


def test_a_frame_that_asks_for_endless_memory_is_refused(decoders: Decoders) -> None:
    """560 bytes have made a worker ask for 8 GiB; here they find 4, and the next frame is read."""
    huge = replace(build_frame(), values={**VALUES, "Rows": 65535, "Columns": 65535})

    with pytest.raises(ValueError, match=r"Unable to allocate|MemoryError|ended with status"):
        decoders.decode(huge)

    assert np.array_equal(decoders.decode(build_frame()), PLANE)


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("import os; os.kill(os.getpid(), 11)", "ended with status -11"),
        ("import time; time.sleep(60)", "ended with status -9.*takes more than 1 s"),
        ("print('no json')", "Expecting value"),
        ("print('{}' * 9000, flush=True); import time; time.sleep(9)", "speaks in no known way"),
        ("import json; print(json.dumps({'shape': [9, 9], 'dtype': '<u2'}))", "decode to .9, 9"),
        ("import json; print(json.dumps({'shape': [34, 50], 'dtype': 'O'}))", "values of O"),
        ("import json; print(json.dumps({'shape': [34, 50], 'dtype': '<u2'}))", "status 0"),
    ],
    ids=["dies", "hangs", "speaks rubbish", "floods", "another shape", "objects", "too little"],
)
def test_a_decoder_that_fails_or_lies_is_a_reason(program: str, reason: str) -> None:
    """Never an end of the worker, nor pixels that nobody encoded."""
    ready = "import sys; print('ready', flush=True); sys.stdin.readline()"
    broken = (sys.executable, "-c", f"{ready}; {program}")

    with Decoders(broken, seconds=1.0) as decoders, pytest.raises(ValueError, match=reason):
        decoders.decode(build_frame())


@pytest.mark.parametrize(
    "program",
    [
        "raise ImportError",
        "import os; print('ready', flush=True); os.kill(os.getpid(), 9)",
    ],
    ids=["does not start", "is killed, as for want of memory"],
)
def test_a_decoder_that_fails_by_no_fault_of_the_frame_is_an_error_of_the_machine(
    program: str,
) -> None:
    """The job is tried again; the patient's series is not refused for good."""
    broken = (sys.executable, "-c", program)

    with Decoders(broken) as decoders, pytest.raises(OSError, match="decoder"):
        decoders.decode(build_frame())


def test_a_site_s_own_lower_limits_are_kept() -> None:
    """A service manager may have set them; to raise one is forbidden."""
    program = "from contouring.frame_decoder import give_up_rights; give_up_rights(); print('fine')"
    run = subprocess.run(
        ["prlimit", f"--as={3 * 2**30}", "--cpu=50", sys.executable, "-c", program],
        capture_output=True,
        check=True,
        text=True,
        env=build_environment(),
        cwd=PACKAGES,
    )

    assert run.stdout == "fine\n"


def test_a_decoder_has_few_rights_and_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a codec's fault could be used for."""
    monkeypatch.setenv("OARLOCK_DATABASE_URL", "postgresql://oarlock:secret@host/db")
    told = ask_a_decoder("list(os.environ)")
    assert not [name for name in told if name.startswith("OARLOCK")]

    assert (
        ask_a_decoder("os.write(os.open('/tmp/decoder', os.O_CREAT | os.O_WRONLY), b'x')")
        == "OSError"
    )
    assert ask_a_decoder("len([open('/dev/null') for _ in range(64)])") == "OSError"
    assert ask_a_decoder("len(bytearray(5 * 2**30))") == "MemoryError"


def test_a_decoder_gains_no_rights_and_has_no_network() -> None:
    """The latter where the kernel lets a process leave it."""
    (line,) = [
        line
        for line in str(ask_a_decoder("open('/proc/self/status').read()")).splitlines()
        if line.startswith("NoNewPrivs:")
    ]
    assert line.split()[1] == "1"

    may_leave = subprocess.run(["unshare", "--user", "--net", "true"], check=False).returncode == 0
    own = os.readlink("/proc/self/ns/net")
    assert (ask_a_decoder("os.readlink('/proc/self/ns/net')") != own) == may_leave


def ask_a_decoder(expression: str) -> object:
    """What an expression gives, or which error, in a process with a decoder's rights."""
    program = f"""
import json, os, sys
from contouring.frame_decoder import give_up_rights
give_up_rights()
try:
    told = {expression}
except Exception as error:
    told = "OSError" if isinstance(error, OSError) else type(error).__name__
print(json.dumps(told))
"""
    run = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        check=True,
        env=build_environment(),
        cwd=PACKAGES,
    )
    return json.loads(run.stdout)
