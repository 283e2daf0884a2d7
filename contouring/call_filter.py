"""Which system calls a decoder may make once its codecs are loaded: those of arithmetic, memory and
its own pipes.

A filter of the kernel's (seccomp), assembled here: of the libraries for it one belongs to Debian's
own Python, and the other has no maintainer. What it does not list fails with EPERM; what comes by
the numbers of another architecture ends the process.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import sys
from collections.abc import Iterator
from typing import NamedTuple

LOAD, IF_EQUAL, IF_ANY_BIT, RETURN = 0x20, 0x15, 0x45, 0x06  # of linux/bpf_common.h
ALLOW, KILL_PROCESS = 0x7FFF_0000, 0x8000_0000
FAIL = 0x0005_0000 | errno.EPERM
NUMBER_AT, ARCHITECTURE_AT, FIRST_ARGUMENT_AT = 0, 4, 16  # in struct seccomp_data
SET_MODE_FILTER, ALL_THREADS = 1, 1
PROT_EXEC = 4


class Machine(NamedTuple):
    """`column`: its place in the tables below; `seccomp`: the number of that call."""

    architecture: int
    column: int
    seccomp: int


MACHINES = {
    "x86_64": Machine(0xC000_003E, 0, 317),
    "aarch64": Machine(0xC000_00B7, 1, 277),
}
# Numbers of asm/unistd_64.h and asm-generic/unistd.h.
CALLS = {
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "munmap": (11, 215),
    "brk": (12, 214),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "futex": (202, 98),
    "sched_yield": (24, 124),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132),
    "restart_syscall": (219, 128),
    "getpid": (39, 172),
    "gettid": (186, 178),
    "getrusage": (98, 165),
    "getrandom": (318, 278),
    "gettimeofday": (96, 169),
    "clock_gettime": (228, 113),
    "exit": (60, 93),
    "exit_group": (231, 94),
}
# Memory that no code can be run from.
MEMORY_CALLS = {"mmap": (9, 222), "mprotect": (10, 226)}
PRLIMIT = (302, 261)  # of the process itself


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("if_true", ctypes.c_uint8),
        ("if_false", ctypes.c_uint8),
        ("value", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.POINTER(_Instruction)))


Step = tuple[int, int, int, int]


def install_filter() -> bool:
    """For all threads and for good; False where the kernel, or the processor, has none of it.

    New privileges must have been given up before.
    """
    machine = MACHINES.get(platform.machine())
    if machine is None or sys.maxsize <= 2**32:
        return False
    steps = tuple(_assemble(machine))
    instructions = (_Instruction * len(steps))(*(_Instruction(*step) for step in steps))
    program = _Program(len(steps), instructions)
    kernel = ctypes.CDLL(None, use_errno=True)
    answer = kernel.syscall(machine.seccomp, SET_MODE_FILTER, ALL_THREADS, ctypes.byref(program))
    return bool(answer == 0)


def _assemble(machine: Machine) -> Iterator[Step]:
    yield LOAD, 0, 0, ARCHITECTURE_AT
    yield IF_EQUAL, 1, 0, machine.architecture
    yield RETURN, 0, 0, KILL_PROCESS
    yield LOAD, 0, 0, NUMBER_AT
    for numbers in CALLS.values():
        yield IF_EQUAL, 0, 1, numbers[machine.column]
        yield RETURN, 0, 0, ALLOW
    for numbers in MEMORY_CALLS.values():
        yield IF_EQUAL, 0, 4, numbers[machine.column]
        yield LOAD, 0, 0, FIRST_ARGUMENT_AT + 2 * 8
        yield IF_ANY_BIT, 0, 1, PROT_EXEC
        yield RETURN, 0, 0, FAIL
        yield RETURN, 0, 0, ALLOW
    yield IF_EQUAL, 0, 3, PRLIMIT[machine.column]
    yield LOAD, 0, 0, FIRST_ARGUMENT_AT
    yield IF_EQUAL, 0, 1, 0
    yield RETURN, 0, 0, ALLOW
    yield RETURN, 0, 0, FAIL
