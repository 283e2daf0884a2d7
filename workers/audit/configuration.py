"""Which parts of the configuration are not what they were when it was last recorded."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from workers.audit.actors import NOBODY
from workers.audit.audit_store import AuditStore
from workers.audit.chain import build_pseudonym
from workers.audit.entries import AuditEntry
from workers.audit.events import AuditEvent
from workers.settings import Settings

log = logging.getLogger(__name__)


class ConfigurationWatch:
    """Compares settings, files and models by keyed checksums: a record tells no value of theirs."""

    def __init__(
        self, store: AuditStore, settings: Settings, models: Mapping[str, str], templates: str
    ) -> None:
        """`models`: checksums by name; `templates`: something that changes with them."""
        self._store = store
        self._settings = settings
        self._models = models
        self._templates = templates

    def note_changes(self) -> None:
        """Record what has changed, if anything has; the first record tells of all parts."""
        try:
            key = self._store.read_key()
            now = {name: build_pseudonym(key, text) for name, text in self._read().items()}
            last = self._store.find_last(AuditEvent.CONFIGURATION_CHANGED)
            before = last.details if last else {}
            changed = [name for name, checksum in now.items() if before.get(name) != checksum]
            if changed:
                told = {**now, "changed": ",".join(changed)}
                self._store.note(
                    AuditEntry(AuditEvent.CONFIGURATION_CHANGED, actor=NOBODY, details=told)
                )
        except (SQLAlchemyError, OSError):
            log.exception("a change of the configuration could not be recorded")

    def _read(self) -> dict[str, str]:
        settings = self._settings
        return {
            "settings": settings.model_dump_json(),
            "rules": _read_files([settings.rules]),
            "destinations": _read_files([settings.destinations]),
            "sources": _read_files([settings.sources]),
            "models": json.dumps(dict(self._models), sort_keys=True),
            "templates": self._templates,
        }


def _read_files(paths: Iterable[Path | None]) -> str:
    contents = [path.read_bytes() for path in paths if path is not None and path.is_file()]
    return " ".join(hashlib.sha256(content).hexdigest() for content in contents)
