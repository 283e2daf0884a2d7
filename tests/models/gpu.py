"""The stand-in for a machine with an NVIDIA GPU, put where Python and the shell look."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

STAND_IN = Path(__file__).parent / "gpu_stand_in"
MODULES = (
    "cuda",
    "models.runtimes.cuda_memory",
    "models.runtimes.tensorrt_",
    "tensorrt",
)


def put_in_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the test ends; what was loaded of it is forgotten then."""
    forget()
    monkeypatch.syspath_prepend(STAND_IN)
    monkeypatch.setenv("PATH", f"{STAND_IN}{os.pathsep}{os.environ['PATH']}")


def forget() -> None:
    """Modules that hold the stand-in, or none."""
    for name in [one for one in sys.modules if one.startswith(MODULES)]:
        del sys.modules[name]


def gpu_environment() -> dict[str, str]:
    """The same for a command in a process of its own."""
    return {
        "PATH": f"{STAND_IN}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": f"{STAND_IN}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
    }
