"""openapi.yaml: `python -m service.openapi` writes it, `--check` compares it with the service."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import yaml

from service.app import create_app
from workers.settings import Settings

FILE = Path(__file__).parent.parent / "openapi.yaml"


def build_openapi() -> str:
    """The service's description, as the file has it."""
    return yaml.safe_dump(create_app(Settings()).openapi(), sort_keys=False, allow_unicode=True)


def main() -> None:
    """Write the file, or exit with 1 if it is not what would be written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    if not parser.parse_args().check:
        FILE.write_text(build_openapi())
    elif FILE.read_text() != build_openapi():
        sys.exit(f"{FILE.name} is out of date: run python -m service.openapi.")


if __name__ == "__main__":
    main()
