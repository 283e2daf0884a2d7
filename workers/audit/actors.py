"""Who does what is recorded: a person or peer that asked for it, or the process by itself."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class Actor:
    """`person`: a user, a key or a peer by name; what is not known is empty.

    `proof`: what it has shown to be that, such as the id of a key, or a certificate's subject.
    """

    person: str = ""
    address: str = ""
    proof: str = ""


ANONYMOUS = "anonymous"
"""Whoever sent a request without saying who that is."""

NOBODY = Actor()
"""A process that does its own work."""

_asking: ContextVar[Callable[[], Actor] | None] = ContextVar("asking", default=None)
_process = "oarlock"


def read_actor() -> Actor:
    """Whoever the present request is from; looked up late, for a login comes after the request."""
    find = _asking.get()
    return NOBODY if find is None else find()


@contextmanager
def acting_for(find: Callable[[], Actor]) -> Iterator[None]:
    """Have what is recorded within the block be the doing of whom `find` finds."""
    token = _asking.set(find)
    try:
        yield
    finally:
        _asking.reset(token)


@contextmanager
def acting_at_prompt() -> Iterator[None]:
    """The same for a command, which is the doing of the machine's user."""
    name_process("cli")
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's may have no name
        user = f"uid {os.getuid()}"
    with acting_for(lambda: Actor(user)):
        yield


def name_process(name: str) -> None:
    """Say what this process is: its records carry it."""
    global _process
    _process = name


def read_process() -> str:
    """Name, host and id of this process."""
    return f"{_process}@{socket.gethostname()}:{os.getpid()}"
