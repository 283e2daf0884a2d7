"""The `oarlock` command, above the four packages.

Exit code 0: done; 2: what was asked for cannot be done with what was given (input, a template, a
place for the output), or the input was found to be at fault; 1: failure.
"""

from __future__ import annotations

import sys

import httpx
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from cli.app import app
from cli.console import FAILURE, UNUSABLE_INPUT, err
from contouring.errors import (
    DerivationError,
    OarlockError,
    TemplateError,
    UnknownModelError,
    UnusableInputError,
)
from service.client import RefusedRequestError
from workers.redis_server import RedisServerError
from workers.settings import MissingSettingError

__all__ = ["app", "main"]

# What whoever gave the command can mend: a folder, a name, a template of their own.
CALLERS_FAULTS = (UnusableInputError, UnknownModelError, TemplateError, DerivationError)


def main() -> None:
    """Run the command; every error Oarlock raises on purpose becomes one line and a code."""
    try:
        app()
    except CALLERS_FAULTS as error:
        _leave(UNUSABLE_INPUT, str(error))
    except RefusedRequestError as error:
        _leave(UNUSABLE_INPUT if error.is_senders_fault else FAILURE, str(error))
    except (OarlockError, RedisServerError, MissingSettingError, ValidationError) as error:
        _leave(FAILURE, str(error))
    except SQLAlchemyError as error:
        _leave(FAILURE, f"The database cannot be used: check OARLOCK_DATABASE_URL. {error}")
    except OSError as error:
        _leave(FAILURE, f"A file or folder cannot be used: {error}.")
    except httpx.HTTPError as error:
        _leave(FAILURE, f"The server cannot be reached ({error}): is `oarlock serve` running?")


def _leave(code: int, reason: str) -> None:
    err.print(reason, markup=False, highlight=False, soft_wrap=True)
    sys.exit(code)
