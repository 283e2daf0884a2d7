"""`oarlock doctor`: a person sees what will run, and a program reads it."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from models.processor import read_processor
from tests.cli.shell import run


def test_the_doctor_names_the_runtime_that_is_used_and_what_is_missing() -> None:
    """And how long a window takes on it."""
    answer = run("doctor", "--model", "commissioning", COLUMNS="160")

    assert answer.returncode == 0, answer.stderr
    lines = answer.stdout.splitlines()
    (openvino,) = [line for line in lines if "openvino" in line]
    assert "is used" in openvino
    (cuda,) = [line for line in lines if "onnxruntime-cuda" in line]
    assert "not installed: pip install 'oarlock[gpu]'" in cuda
    model, precision, *_ = (line for line in lines if "commissioning" in line)
    assert "16 x 256 x 256" in model
    assert precision == "commissioning: float32, for bfloat16 was not measured for this model"


def test_a_program_gets_the_same_from_the_doctor_as_json() -> None:
    """With the times as numbers."""
    answer = run("doctor", "--json", "--model", "commissioning", OARLOCK_RUNTIME="onnxruntime-cpu")

    told = json.loads(answer.stdout)
    assert told["runtime"] == {"wanted": "onnxruntime-cpu", "used": "onnxruntime-cpu"}
    (model,) = told["models"]
    assert model["runtime"].startswith("ONNX Runtime")
    assert 0 < model["next_seconds"] < model["first_seconds"]
    assert told["decoders"] == {"fault": ""}


REFUSING = """
import ctypes, os, sys
from contouring.call_filter import ALLOW, FAIL, IF_EQUAL, LOAD, MACHINES, RETURN
from contouring.call_filter import _Instruction, _Program
steps = ((LOAD, 0, 0, 0), (IF_EQUAL, 0, 1, 317), (RETURN, 0, 0, FAIL), (RETURN, 0, 0, ALLOW))
program = _Program(4, (_Instruction * 4)(*(_Instruction(*step) for step in steps)))
kernel = ctypes.CDLL(None)
assert kernel.prctl(38, 1, 0, 0, 0) == 0
assert kernel.syscall(317, 1, 0, ctypes.byref(program)) == 0
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the number of the call is its own")
def test_the_doctor_warns_where_decoders_may_do_anything() -> None:
    """As in a container whose own rules refuse a filter; they decode all the same."""
    asked = ("-m", "cli", "doctor", "--model", "commissioning")
    here = [sys.executable, "-c", REFUSING]
    decode = (
        "from tests.contouring.test_decoders import *; "
        "assert (Decoders().decode(build_frame()) == PLANE).all()"
    )

    warned = subprocess.run([*here, *asked], capture_output=True, text=True, check=True)
    told = subprocess.run([*here, *asked, "--json"], capture_output=True, text=True, check=True)
    subprocess.run([*here, "-c", decode], check=True)

    assert "any system call" in " ".join(warned.stderr.split())
    assert "seccomp" in json.loads(told.stdout)["decoders"]["fault"]


def test_a_runtime_that_cannot_be_used_is_an_error() -> None:
    """A site asks the doctor before it starts its workers."""
    answer = run("doctor", OARLOCK_RUNTIME="onnxruntime-cuda")

    assert answer.returncode == 1
    assert "OARLOCK_RUNTIME=onnxruntime-cuda cannot be used" in answer.stderr


def test_a_model_that_is_not_there_is_told() -> None:
    """As everywhere."""
    answer = run("doctor", "--model", "brain")

    assert answer.returncode == 2
    assert "There is no model 'brain'" in answer.stderr


@pytest.mark.parametrize(
    ("flags", "abilities"),
    [
        ("fpu avx avx2", ("AVX2",)),
        ("avx2 avx512f avx512_vnni avx512_bf16", ("AVX2", "AVX-512", "VNNI", "bfloat16")),
        ("fpu", ()),
    ],
)
def test_what_a_processor_can_is_read_from_its_flags(
    tmp_path: Path, flags: str, abilities: tuple[str, ...]
) -> None:
    """As Linux lists them."""
    file = tmp_path / "cpuinfo"
    file.write_text(f"processor\t: 0\nmodel name\t: Fast 9000\nflags\t\t: {flags}\n\n")

    processor = read_processor(file)

    assert (processor.name, processor.abilities) == ("Fast 9000", abilities)
