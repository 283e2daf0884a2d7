"""The program that decodes compressed frames for `contouring.decoders`, with few rights left.

    python -m contouring.frame_decoder

Codecs are C libraries that read what strangers sent: a fault in one of them must not hold a
worker's memory, its time, or its passwords, and must find no file, process or network to reach.
Reads a line of JSON and a frame's bytes, answers with a line of JSON and the pixels' bytes, until
its input ends.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import sys
from typing import BinaryIO

from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from contouring.call_filter import install_filter
from contouring.frames import Frame
from contouring.transfer_syntaxes import COMPRESSED

MEMORY_BYTES = 4 * 2**30
READY, READY_UNFILTERED = b"ready\n", b"ready, with all system calls\n"
FRAME_SECONDS = 60  # of processor time
OPEN_FILES = 32
LONGEST_WORDS = 500
PR_SET_NO_NEW_PRIVS = 38
CLONE_NEWUSER, CLONE_NEWNET = 0x1000_0000, 0x4000_0000


def give_up_rights() -> None:
    """No more privileges, no network where the kernel lets it go, no endless files or memory."""
    kernel = ctypes.CDLL(None, use_errno=True)
    kernel.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    kernel.unshare(CLONE_NEWUSER | CLONE_NEWNET)  # containers may forbid it
    for limit, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
    ):
        _, hard = resource.getrlimit(limit)
        if hard != resource.RLIM_INFINITY:
            most = min(most, hard)  # a site may have set less; more nobody may set
        resource.setrlimit(limit, (most, most))


def serve(asked: BinaryIO, answers: BinaryIO) -> None:
    """Decode one frame after the other."""
    while line := asked.readline():
        told = json.loads(line)
        content = asked.read(told.pop("bytes"))
        _allow_seconds(FRAME_SECONDS)
        try:
            pixels = Frame(content, **told).decode()
        except Exception as error:  # noqa: BLE001  # whatever a codec raises is an answer
            words = (str(error) or type(error).__name__)[:LONGEST_WORDS]
            answers.write(json.dumps({"error": words}).encode() + b"\n")
        else:
            head = {"shape": pixels.shape, "dtype": pixels.dtype.str}
            answers.write(json.dumps(head).encode() + b"\n")
            answers.write(pixels.tobytes())
        answers.flush()


def _allow_seconds(seconds: int) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    spent = int(used.ru_utime + used.ru_stime)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    most = spent + seconds if hard == resource.RLIM_INFINITY else min(spent + seconds, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (most, hard))


if __name__ == "__main__":
    for uid in COMPRESSED:
        get_decoder(UID(uid))  # so that its library is loaded while files can be opened
    own_output = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # codecs print
    give_up_rights()
    own_output.write(READY if install_filter() else READY_UNFILTERED)
    own_output.flush()
    serve(sys.stdin.buffer, own_output)
