"""docs/access.md: `python -m service.access` writes its tables, `--check` compares them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from service.access.page import fill_page

FILE = Path(__file__).parents[2] / "docs" / "access.md"


def main() -> None:
    """Write the file, or exit with 1 if it is not what would be written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    if not parser.parse_args().check:
        FILE.write_text(fill_page(FILE.read_text()))
    elif FILE.read_text() != fill_page(FILE.read_text()):
        sys.exit(f"{FILE.name} is out of date: run python -m service.access.")


if __name__ == "__main__":
    main()
