"""How long what is done with is kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class Retention:
    """How long jobs are kept: after their delivery, and after an end without a result.

    `unused_keys`: for which a study's key stays that nothing in the database needs yet.
    """

    delivered: timedelta = timedelta(hours=72)
    ended: timedelta = timedelta(days=14)
    unused_keys: timedelta = timedelta(minutes=10)
