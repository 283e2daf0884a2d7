"""Keys as they are shown, held against those of the database."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime

from sqlalchemy.exc import SQLAlchemyError

from contouring.errors import NotAuthenticatedError
from contouring.errors.login_faults import LoginFault
from service.access.credentials import Credentials
from service.access.principal import Principal
from service.access.roles import read_roles
from workers.api_keys import ApiKey, read_key_id
from workers.job_store import read_clock
from workers.key_store import KeyStore

REMEMBERED_SECONDS = 15.0  # how late a revocation may bite; a goal of ours says within 60 s
REMEMBERED_KEYS = 1024

log = logging.getLogger(__name__)


class KeyRing:
    """Knows for some seconds what it has read, so that not every request asks the database."""

    def __init__(
        self,
        store: KeyStore,
        now: Callable[[], datetime] = read_clock,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._now = now
        self._seconds = seconds
        self._known: dict[str, tuple[ApiKey, float]] = {}
        self._changing = threading.Lock()

    def identify(self, shown: Credentials) -> Principal:
        """Whose key this is. Raises `NotAuthenticatedError`."""
        key_id = read_key_id(shown.secret)
        key, is_fresh = (None, False) if key_id is None else self._find(key_id)
        if key is None or not key.matches(shown.secret):
            raise NotAuthenticatedError("The key is not known", LoginFault.UNKNOWN_KEY)
        if key.is_over(self._now()):
            how, fault = "has expired", LoginFault.EXPIRED_KEY
            if key.revoked_at:
                how, fault = "was revoked", LoginFault.REVOKED_KEY
            raise NotAuthenticatedError(f"The key {key.name} ({key.id}) {how}", fault, key.id)
        if shown.user_name not in (None, key.name):
            raise NotAuthenticatedError(
                "The key is not the one of this name", LoginFault.WRONG_NAME, key.id
            )
        if is_fresh:
            self._note_use(key)
        return Principal(key.name, "key", read_roles(key.roles), key.project, key.id)

    def _find(self, key_id: str) -> tuple[ApiKey | None, bool]:
        """A key, and whether it was read now."""
        with self._changing:
            known, until = self._known.get(key_id, (None, 0.0))
        if known is not None and self._seconds() < until:
            return known, False
        read_at = self._seconds()
        key = self._store.find(key_id)
        if key is None:
            return None, True  # and nobody fills the memory with ids that there are not
        with self._changing:
            if len(self._known) >= REMEMBERED_KEYS:
                self._known.clear()
            self._known[key_id] = (key, read_at + REMEMBERED_SECONDS)
        return key, True

    def _note_use(self, key: ApiKey) -> None:
        try:
            self._store.note_use(key)
        except SQLAlchemyError:
            log.warning("the use of the key %s (%s) could not be noted", key.name, key.id)
