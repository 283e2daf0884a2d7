"""The root of the tree of errors."""

from __future__ import annotations


class OarlockError(Exception):
    """Root of the tree; `code` is stable and appears in problem types and job records."""

    code = "oarlock-error"
