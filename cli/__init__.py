"""The `oarlock` command, above the four packages.

Exit code 0: done; 2: what was asked for cannot be done with what was given (input, a template, a
place for the output), or the input was found to be at fault; 1: failure.
"""

from __future__ import annotations

import gc
import sys
from importlib import import_module
from typing import Any

from pydantic import ValidationError

from cli.app import app
from cli.console import FAILURE, UNUSABLE_INPUT, err
from contouring.errors import (
    ConfigurationError,
    DerivationError,
    OarlockError,
    TemplateError,
    UnknownModelError,
    UnusableInputError,
)
from workers.settings import MissingSettingError

__all__ = ["app", "main"]

# What whoever gave the command can mend: a folder, a name, a template of their own.
CALLERS_FAULTS = (
    UnusableInputError,
    UnknownModelError,
    TemplateError,
    ConfigurationError,
    DerivationError,
)


def main() -> None:
    """Run the command; every error Oarlock raises on purpose becomes one line and a code."""
    try:
        app()
    except SystemExit:  # before the others, whose classes would be loaded to look
        raise
    except CALLERS_FAULTS as error:
        _leave(UNUSABLE_INPUT, str(error))
    except _named("service.client", "RefusedRequestError") as error:
        _leave(UNUSABLE_INPUT if error.is_senders_fault else FAILURE, str(error))
    except (OarlockError, MissingSettingError, ValidationError) as error:
        _leave(FAILURE, str(error))
    except _named("workers.redis_server", "RedisServerError") as error:
        _leave(FAILURE, str(error))
    except _named("sqlalchemy.exc", "SQLAlchemyError") as error:
        _leave(FAILURE, f"The database cannot be used: check OARLOCK_DATABASE_URL. {error}")
    except OSError as error:
        _leave(FAILURE, f"A file or folder cannot be used: {error}.")
    except _named("httpx", "HTTPError") as error:
        _leave(FAILURE, f"The server cannot be reached ({error}): is `oarlock serve` running?")
    finally:
        # The interpreter would look for garbage once more before it ends: for nearly half a second.
        gc.freeze()


def _named(module: str, name: str) -> Any:
    """An error's class, loaded when there is an error: few commands need its module."""
    return getattr(import_module(module), name)


def _leave(code: int, reason: str) -> None:
    err.print(reason, markup=False, highlight=False, soft_wrap=True)
    sys.exit(code)
