"""Coverage-guided fuzzing of one target, or of each in turn: `make fuzz`.

    python -m tests.fuzz SECONDS [TARGET ...]

What a target finds lies in tests/fuzz/findings/TARGET afterwards; it stays there as a test.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

FINDINGS = Path(__file__).parent / "findings"
YAML = ("models", "yaml")
PACKAGES = {
    "gate": ("contouring", "pydicom.filereader", "pydicom.dataset", "pydicom.values"),
    "multipart": ("service.multipart_parts", "python_multipart"),
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


def main(seconds: int, names: tuple[str, ...]) -> int:
    """Fuzz each in a process of its own, for a finding ends it; how many had one."""
    found = 0
    for name in names:
        sys.stdout.write(f"{name}: {seconds} s\n")
        sys.stdout.flush()
        command = [sys.executable, "-m", "tests.fuzz", str(seconds), ALONE, name]
        ended = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
        lines = ended.stderr.splitlines()
        shown = lines[-40:] if ended.returncode else [one for one in lines if "Done " in one]
        sys.stdout.write("\n".join(shown) + "\n")
        found += ended.returncode != 0
    return found


def fuzz(seconds: int, name: str) -> None:
    """Until the time is over, or something is found."""
    import atheris

    with atheris.instrument_imports(include=[*PACKAGES[name]]):
        from tests.fuzz.targets import TARGETS
    target = TARGETS[name]
    findings = FINDINGS / name
    findings.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(target.seeds()):
            (Path(folder) / f"seed-{number}").write_bytes(seed)
        options = [
            f"-max_total_time={seconds}",
            f"-timeout={SLOWEST_SECONDS}",
            f"-rss_limit_mb={MOST_MEBIBYTES}",
            f"-max_len={LONGEST_INPUT}",
            f"-artifact_prefix={findings}/",
        ]
        atheris.Setup([sys.argv[0], *options, folder, str(findings)], target.run)
        atheris.Fuzz()


if __name__ == "__main__":
    asked = sys.argv[2:]
    if asked[:1] == [ALONE]:
        fuzz(int(sys.argv[1]), asked[1])
    else:
        sys.exit(main(int(sys.argv[1]), tuple(asked) or tuple(PACKAGES)))
