"""The `oarlock` command run as a shell would."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """What the command wrote, and its exit code."""
    return subprocess.run(
        [sys.executable, "-m", "cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OARLOCK_THREADS": "1", "NO_PROXY": "127.0.0.1", **environment},
    )
