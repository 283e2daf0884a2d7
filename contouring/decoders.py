"""Compressed frames are decoded by processes of their own, which may fail without harm.

Before that a frame was held against its header: it is whole, of the declared size and not longer
than its pixels (`contouring.slice_pixels`). A native frame needs no codec and stays here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from queue import Empty, SimpleQueue
from signal import SIGKILL
from threading import BoundedSemaphore, Event, Lock, Timer
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from contouring.frames import Frame

PACKAGES = Path(__file__).resolve().parents[1]
READY, READY_UNFILTERED = b"ready\n", b"ready, with all system calls\n"
COMMAND = (sys.executable, "-m", "contouring.frame_decoder")
ANSWER_SECONDS = 90.0
LONGEST_LINE = 4096
DTYPES = ("|u1", "|i1", "<u2", "<i2", "<u4", "<i4")


class Decoders:
    """One process for each core at most; each is started when it is first needed."""

    def __init__(self, command: tuple[str, ...] = COMMAND, seconds: float = ANSWER_SECONDS) -> None:
        self._command, self._seconds = command, seconds
        self._idle: SimpleQueue[_Decoder] = SimpleQueue()
        self._all: list[_Decoder] = []
        self._turns = BoundedSemaphore(os.cpu_count() or 1)
        self._lock = Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        for decoder in self._all:
            decoder.end()

    def decode(self, frame: Frame) -> NDArray[np.integer]:
        """(rows, columns) stored values.

        Raises `ValueError` for a frame that cannot be decoded, and `OSError` where it is not the
        frame's fault: a decoder that does not start, or that somebody else has killed.
        """
        if not frame.is_compressed:
            return frame.decode()
        with self._turns:
            decoder = self._take()
            pixels = decoder.decode(frame, self._seconds)
            self._idle.put(decoder)  # one that failed is not used again
            return pixels

    def _take(self) -> _Decoder:
        try:
            return self._idle.get_nowait()
        except Empty:
            decoder = _Decoder(self._command)
            with self._lock:
                self._all.append(decoder)
            return decoder


def find_filtered(command: tuple[str, ...] = COMMAND, seconds: float = ANSWER_SECONDS) -> bool:
    """Whether this machine's decoders are held to few system calls (`contouring.call_filter`).

    Raises `OSError` where a decoder does not start.
    """
    decoder = _Decoder(command)
    try:
        return decoder.tell_filtered(seconds)
    finally:
        decoder.end()


class _Decoder:
    def __init__(self, command: tuple[str, ...]) -> None:
        self._process = subprocess.Popen(  # nosec B603 # a command of this file
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env=build_environment(),
        )
        self._is_ready = self._is_filtered = False

    def tell_filtered(self, seconds: float) -> bool:
        """As `find_filtered`."""
        clock = Timer(seconds, self._process.kill)
        clock.start()
        try:
            self._await_ready()
        except EOFError as error:
            raise OSError("a decoder of compressed pixels does not start") from error
        finally:
            clock.cancel()
        return self._is_filtered

    def decode(self, frame: Frame, seconds: float) -> NDArray[np.integer]:
        late = Event()

        def stop() -> None:
            late.set()
            self._process.kill()

        clock = Timer(seconds, stop)
        clock.start()
        try:
            self._await_ready()
            return self._ask(frame)
        except (BrokenPipeError, EOFError) as error:
            self._process.kill()  # if it lives, it speaks in another way than was agreed
            status = self._process.wait()
            if not self._is_ready or (status == -SIGKILL and not late.is_set()):
                raise OSError(
                    f"a decoder of compressed pixels ended with status {status}"
                ) from error
            raise ValueError(
                f"its decoder ended with status {status}: the codestream is damaged, or made to do "
                f"harm, or takes more than {seconds:g} s or 4 GiB"
            ) from error
        finally:
            clock.cancel()

    def _await_ready(self) -> None:
        if self._is_ready:
            return
        assert self._process.stdout is not None
        line = self._process.stdout.readline(LONGEST_LINE)
        if line not in (READY, READY_UNFILTERED):
            raise EOFError
        self._is_ready, self._is_filtered = True, line == READY

    def _ask(self, frame: Frame) -> NDArray[np.integer]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        told = asdict(frame)
        content = told.pop("content")
        line = json.dumps({**told, "values": dict(frame.values), "bytes": len(content)})
        self._process.stdin.write(line.encode() + b"\n" + content)
        self._process.stdin.flush()
        head = _read_head(self._process.stdout.readline(LONGEST_LINE))
        if "error" in head:
            self.end()
            raise ValueError(str(head["error"]))
        dtype = _check(head, frame)
        wanted = frame.shape[0] * frame.shape[1] * dtype.itemsize
        content = self._process.stdout.read(wanted)
        if len(content) < wanted:
            raise EOFError
        return np.frombuffer(content, dtype).reshape(frame.shape)

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue  # what it was still to be told


def _read_head(line: bytes) -> dict[str, Any]:
    if len(line) >= LONGEST_LINE:
        raise ValueError("its decoder speaks in no known way")
    if not line.endswith(b"\n"):
        raise EOFError
    return dict(json.loads(line))


def _check(head: Mapping[str, Any], frame: Frame) -> np.dtype[np.integer]:
    """A decoder is no more to be trusted than what it reads."""
    if tuple(head["shape"]) != frame.shape or head["dtype"] not in DTYPES:
        raise ValueError(
            f"they decode to {head['shape']} values of {head['dtype']}, where the header declares "
            f"{frame.shape}"
        )
    dtype: np.dtype[np.integer] = np.dtype(head["dtype"])
    return dtype


def build_environment() -> dict[str, str]:
    """No more than Python needs: the worker's has the database's password in it."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "PYTHONPATH": str(PACKAGES), "OMP_NUM_THREADS": "1", "LC_ALL": "C.UTF-8"}
