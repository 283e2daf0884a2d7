"""Coverage-guided fuzzing of one target, or of all, as many at a time as cores: `make fuzz`.

    python -m tests.fuzz SECONDS [TARGET ...]

What a target finds lies in tests/fuzz/findings/TARGET afterwards; it stays there as a test.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

FINDINGS = Path(__file__).parent / "findings"
YAML = ("models", "yaml")
PACKAGES = {
    "gate": ("contouring", "pydicom.filereader", "pydicom.dataset", "pydicom.values"),
    "multipart": ("service.multipart_parts", "python_multipart"),
    "zip": ("service.archives", "zipfile"),
    "card": YAML,
    "rules": (*YAML, "service.rules"),
    "template": YAML,
    "lint": ("contouring",),
}
"""What is watched for new branches: of what a target runs, the part that its bytes decide."""

SLOWEST_SECONDS = 5  # of one input
MOST_MEBIBYTES = 2048
LONGEST_INPUT = 16 * 1024
ALONE = "--alone"
ROUND_SECONDS = 300
"""After which a fuzzer begins anew on the inputs that it has kept: atheris never frees the arrays
that the code it watches compares, which after 700,000 structure sets looked like a finding."""
LINES_SHOWN = 40  # of what was found
RUNS_DONE = re.compile(r"^Done (\d+) runs", re.MULTILINE)
PROGRESS = ("\tpulse ", "Done ")  # of libFuzzer: at twice as many inputs each time, and at the end


def main(seconds: int, names: tuple[str, ...]) -> int:
    """Fuzz each in a process of its own, for a finding ends it; how many had one."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return sum(pool.map(lambda name: _fuzz_apart(seconds, name), names))


def _fuzz_apart(seconds: int, name: str) -> bool:
    """Whether something was found."""
    _tell(f"{name}: {seconds} s")
    runs = 0
    with tempfile.TemporaryDirectory() as corpus:
        for begun in range(0, seconds, ROUND_SECONDS):
            more = _fuzz_round(min(ROUND_SECONDS, seconds - begun), name, corpus)
            if more is None:
                return True
            runs += more
    _tell(f"{name}: nothing found in {runs:,} runs")
    return False


def _fuzz_round(seconds: int, name: str, corpus: str) -> int | None:
    """How many inputs were run; None where one of them is a finding."""
    command = [sys.executable, "-m", "tests.fuzz", str(seconds), ALONE, name, corpus]
    last: deque[str] = deque(maxlen=LINES_SHOWN)
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, errors="replace") as fuzzer:
        assert fuzzer.stderr is not None
        for line in fuzzer.stderr:
            last.append(line)
            if any(word in line for word in PROGRESS):
                _tell(f"{name}: {line.strip()}")
    if fuzzer.returncode:
        _tell(f"{name}: found something\n{''.join(last)}")
        return None
    return int(RUNS_DONE.findall("".join(last))[-1])


def _tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def fuzz(seconds: int, name: str, corpus: Path) -> None:
    """Until the time is over, or something is found; what leads on is kept in `corpus`."""
    import atheris

    with atheris.instrument_imports(include=[*PACKAGES[name]]):
        from tests.fuzz.targets import TARGETS
    target = TARGETS[name]
    findings = FINDINGS / name
    findings.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds()):
        (corpus / f"seed-{number}").write_bytes(seed)
    options = [
        f"-max_total_time={seconds}",
        f"-timeout={SLOWEST_SECONDS}",
        f"-rss_limit_mb={MOST_MEBIBYTES}",
        f"-max_len={LONGEST_INPUT}",
        f"-artifact_prefix={findings}/",
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus), str(findings)], target.run)
    atheris.Fuzz()


if __name__ == "__main__":
    asked = sys.argv[2:]
    if asked[:1] == [ALONE]:
        fuzz(int(sys.argv[1]), asked[1], Path(asked[2]))
    else:
        sys.exit(main(int(sys.argv[1]), tuple(asked) or tuple(PACKAGES)))
