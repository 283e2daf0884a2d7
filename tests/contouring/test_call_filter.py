"""A codec that was taken over reaches nothing: each thing is tried in a process with the filter."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from contouring.call_filter import CALLS, MACHINES, MEMORY_CALLS, PRLIMIT, RETURN, _assemble
from contouring.decoders import PACKAGES, Decoders, build_environment, find_filtered
from tests.contouring.encodings import LOSSLESS_SYNTAXES
from tests.contouring.test_decoders import PLANE, build_frame

PREPARED = """
import ctypes, mmap, os, resource, signal, socket, sys, threading, time
kernel = ctypes.CDLL(None, use_errno=True)
memory = mmap.mmap(-1, 4096)
parent = os.getppid()
def call(*arguments):
    if kernel.syscall(*arguments) == -1:
        raise OSError(ctypes.get_errno(), "refused")
from contouring.frame_decoder import give_up_rights
from contouring.call_filter import install_filter
give_up_rights()
assert install_filter()
"""
X32 = 0x4000_0000
# Numbers are of x86-64.
FORBIDDEN = {
    "open to read": "open('/etc/passwd')",
    "open to write": "open('/tmp/decoder', 'w')",
    "open by the old call": "call(2, b'/etc/passwd', 0)",
    "open by openat2": "call(437, -100, b'/etc/passwd', bytes(24), 24)",
    "list a folder": "os.listdir('/')",
    "look at a file": "os.stat('/etc/passwd')",
    "remove a file": "os.unlink('/tmp/decoder')",
    "run a program": "os.execv('/bin/true', ['true'])",
    "start a process": "os.fork()",
    "start a thread": "threading.Thread(target=print).start()",
    "a socket": "socket.socket()",
    "a local socket": "socket.socketpair()",
    "kill its parent": "os.kill(parent, signal.SIGKILL)",
    "kill everybody": "os.kill(-1, signal.SIGKILL)",
    "a signal to a thread": "signal.pthread_kill(threading.get_ident(), signal.SIGTERM)",
    "trace": "call(101, 0, 0, 0, 0)",
    "another's memory": "call(310, parent, 0, 0, 0, 0, 0)",
    "code in memory": "mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC)",
    "another's limits": "resource.prlimit(parent, resource.RLIMIT_NOFILE)",
    "a file in memory": "os.memfd_create('a')",
    "privileges": "call(157, 38, 1, 0, 0, 0)",
    "another namespace": "call(272, 0x10000000)",
    "a mount": "call(165, b'a', b'/mnt', b'tmpfs', 0, 0)",
    "kernel rings": "call(425, 1, bytes(120))",
    "kernel programs": "call(321, 0, bytes(48), 48)",
    "a control of a device": "call(16, 0, 0x5413, bytes(8))",
    "a call of x32": f"call({X32} + 39)",
}

on_x86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="its numbers")


def run(program: str) -> subprocess.CompletedProcess[str]:
    """In a process with the filter."""
    return subprocess.run(
        [sys.executable, "-c", PREPARED + program],
        capture_output=True,
        text=True,
        env=build_environment(),
        cwd=PACKAGES,
        check=False,
    )


@on_x86
def test_nothing_that_is_forbidden_works() -> None:
    """Each fails as what nobody has the right to, and the process lives on."""
    tried = "\n".join(
        f"""
try:
    {expression}
    told = "works"
except (OSError, RuntimeError) as error:
    told = type(error).__name__
print({name!r}, told, sep=": ")
"""
        for name, expression in FORBIDDEN.items()
    )

    done = run(tried)

    told = dict(line.split(": ") for line in done.stdout.splitlines())
    assert told.keys() == FORBIDDEN.keys(), done.stderr
    # Python's word for a thread that cannot be started.
    assert told.pop("start a thread") == "RuntimeError"
    assert set(told.values()) == {"PermissionError"}, told


@on_x86
def test_code_in_memory_cannot_be_made_runnable() -> None:
    """What was written there first, neither."""
    address = "ctypes.addressof(ctypes.c_char.from_buffer(memory))"

    done = run(f"assert kernel.mprotect(ctypes.c_void_p({address}), 4096, 5) == -1; print('fine')")

    assert done.stdout == "fine\n", done.stderr


@on_x86
def test_a_call_by_another_architecture_s_numbers_ends_the_process() -> None:
    """In them 20 is another call than in ours; code for it is made runnable before the filter."""
    code = bytes.fromhex("b814000000cd80c3")  # mov eax, 20; int 0x80; ret
    program = f"""
import ctypes, mmap
room = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
room.write({code!r})
run = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(room)))
{PREPARED}
run()
print("lives")
"""

    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env=build_environment(),
        cwd=PACKAGES,
        check=False,
    )

    assert done.returncode < 0, done.stderr
    assert "lives" not in done.stdout


@on_x86
def test_what_arithmetic_needs_still_works() -> None:
    """Memory, time, chance, and its own limits and pipes."""
    done = run(
        "block = bytearray(2**28); del block; time.time(); os.urandom(8); "
        "resource.setrlimit(resource.RLIMIT_CPU, (60, 60)); sys.stdout.write('fine')"
    )

    assert done.stdout == "fine", done.stderr


@pytest.mark.parametrize("syntax", LOSSLESS_SYNTAXES, ids=lambda uid: uid.name)
def test_every_codec_works_without_the_other_calls(syntax: object) -> None:
    """A decoder of its own for each, so that none has loaded what another needs."""
    with Decoders() as decoders:
        assert (decoders.decode(build_frame(syntax)) == PLANE).all()  # type: ignore[arg-type]


def test_a_decoder_says_whether_it_has_the_filter() -> None:
    """For a warning of `oarlock doctor`; without it decoders work as before."""
    bare = "print('ready, with all system calls', flush=True); import sys; sys.stdin.read()"

    assert find_filtered() == (platform.machine() in MACHINES)
    assert not find_filtered((sys.executable, "-c", bare))
    with pytest.raises(OSError, match="does not start"):
        find_filtered((sys.executable, "-c", "raise ImportError"))


@pytest.mark.parametrize("name", MACHINES)
def test_each_machine_has_its_own_numbers(name: str) -> None:
    """No call twice, and every jump within the program."""
    machine = MACHINES[name]
    numbers = [*CALLS.values(), *MEMORY_CALLS.values(), PRLIMIT]
    steps = list(_assemble(machine))

    assert len({one[machine.column] for one in numbers}) == len(numbers)
    jumps = [(at, max(step[1:3])) for at, step in enumerate(steps) if step[0] != RETURN]
    assert all(at + 1 + far < len(steps) for at, far in jumps)
    assert steps[-1][0] == RETURN
