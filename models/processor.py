"""The processor that networks run on, and which of its abilities matter for them."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")
ABILITIES = {  # as Linux names them; wider vectors and narrower numbers are faster
    "avx2": "AVX2",
    "avx512f": "AVX-512",
    "avx512_vnni": "VNNI",
    "avx512_bf16": "bfloat16",
    "amx_bf16": "AMX",
}


@dataclass(frozen=True)
class Processor:
    """`cores`: those that this process may use."""

    name: str
    cores: int
    abilities: tuple[str, ...]

    @property
    def has_bfloat16(self) -> bool:
        """Whether it computes in bfloat16 by itself; others imitate it, and are slower."""
        return "bfloat16" in self.abilities or "AMX" in self.abilities


def read_processor(cpu_info: Path = CPU_INFO) -> Processor:
    """That of this machine."""
    text = cpu_info.read_text() if cpu_info.is_file() else ""
    name = re.search(r"^model name\s*:\s*(.+)$", text, re.M)
    flags = re.search(r"^flags\s*:\s*(.+)$", text, re.M)
    known = set(flags[1].split()) if flags else set()
    return Processor(
        name[1] if name else platform.machine(),
        len(os.sched_getaffinity(0)),
        tuple(word for flag, word in ABILITIES.items() if flag in known),
    )
