"""docs/conformance.md: `python -m service.conformance` writes it, `--check` compares it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from service.conformance.statement import build_statement

FILE = Path(__file__).parents[2] / "docs" / "conformance.md"


def main() -> None:
    """Write the file, or exit with 1 if it is not what would be written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    if not parser.parse_args().check:
        FILE.write_text(build_statement())
    elif FILE.read_text() != build_statement():
        sys.exit(f"{FILE.name} is out of date: run python -m service.conformance.")


if __name__ == "__main__":
    main()
