"""The id of the request that is answered, for all that is logged or recorded on its way."""

from __future__ import annotations

from contextvars import ContextVar

NO_REQUEST = "-"

request_id_now: ContextVar[str | None] = ContextVar("request_id", default=None)
