"""The GPU of this machine and its driver, as far as an engine depends on them."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass

from contouring.errors import UnusableRuntimeError

QUERY = ("nvidia-smi", "--query-gpu=name,compute_cap,driver_version", "--format=csv,noheader")
QUERY_SECONDS = 20
VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class Platform:
    """What an engine is bound to; `library`: the versions of the runtime that built it."""

    gpu: str
    compute_capability: str
    driver: str
    library: str


def find_platform(runtime: str, library: str) -> Platform:
    """That of the GPU which this process uses; raises `UnusableRuntimeError` where there is none.

    The first, or the first that CUDA_VISIBLE_DEVICES names, as a worker for each GPU has it.
    """
    visible = os.environ.get(VISIBLE, "").partition(",")[0].strip()
    query = (*QUERY, f"--id={visible}") if visible else QUERY
    try:
        answer = subprocess.run(  # nosec B603 # the words above
            query, capture_output=True, text=True, timeout=QUERY_SECONDS, check=True
        )
    except FileNotFoundError:
        raise UnusableRuntimeError(
            runtime, "it needs an NVIDIA GPU with its driver, and there is no nvidia-smi here."
        ) from None
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise UnusableRuntimeError(
            runtime, f"it needs an NVIDIA GPU with its driver: nvidia-smi failed ({error})."
        ) from error
    fields = [field.strip() for field in answer.stdout.partition("\n")[0].split(",")]
    if len(fields) != 3:
        raise UnusableRuntimeError(runtime, "it needs an NVIDIA GPU, and nvidia-smi names none.")
    gpu, compute_capability, driver = fields
    return Platform(gpu, compute_capability, driver, library)
