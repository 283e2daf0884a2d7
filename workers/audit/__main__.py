"""The table in docs/audit.md: `python -m workers.audit` writes it, `--check` compares it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from workers.audit.event_table import renew_table

FILE = Path(__file__).parents[2] / "docs" / "audit.md"


def main() -> None:
    """Write the table, or exit with 1 if it is not what would be written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    page = FILE.read_text()
    if not parser.parse_args().check:
        FILE.write_text(renew_table(page))
    elif page != renew_table(page):
        sys.exit(f"{FILE.name} is out of date: run python -m workers.audit.")


if __name__ == "__main__":
    main()
