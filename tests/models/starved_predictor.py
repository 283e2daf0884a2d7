"""A network that runs out of memory: python -m tests.models.starved_predictor RUNTIME THREADS.

Prints what comes of a large window for which no memory is left, after a small one was answered.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import numpy as np

from models.bundles import RELEASED, read_bundle
from models.cascades import open_cascade
from models.runtime_names import RuntimeName

SPARE_BYTES = 64 * 2**20


def main(runtime: str, threads: str) -> None:
    """Starve, and tell."""
    bundle = read_bundle(RELEASED / "hn-oar")
    cascade = open_cascade(bundle, int(threads), runtime=RuntimeName(runtime))
    predictor = cascade.segmenter.predictor
    predictor.predict(np.ones((1, 32, 32, 32), np.float32))
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + SPARE_BYTES, used + SPARE_BYTES))
    try:
        answer = predictor.predict(np.ones((1, 128, 128, 128), np.float32))
    except MemoryError as error:
        sys.stdout.write(f"MemoryError {error}\n")
    else:
        sys.stdout.write(f"answered {answer.shape}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
