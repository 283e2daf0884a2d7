"""What a series is called, and what is said of it, in columns of text that workers can read too."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import asdict, dataclass

from contouring.errors import TamperedIdentityError
from service.identities.identity_key import IdentityKey

SEALED = "sealed:"


@dataclass(frozen=True)
class SeriesNames:
    """A series as its sender knows it."""

    study_instance_uid: str
    series_instance_uid: str
    description: str


class SealedWords:
    """Words sealed for one series: none opens as another one's."""

    def __init__(self, key: IdentityKey) -> None:
        self._key = key

    def seal_names(self, names: SeriesNames) -> str:
        """For a job or an arrival of the series."""
        hidden = self._key.hide_uid(names.series_instance_uid)
        return self._seal(json.dumps(asdict(names)), f"names {hidden}")

    def open_names(self, text: str, series_uid: str) -> SeriesNames:
        """Of the series that has this UID where it is kept; raises `TamperedIdentityError`."""
        names = SeriesNames(**json.loads(self._open(text, f"names {series_uid}")))
        if self._key.hide_uid(names.series_instance_uid) != series_uid:
            raise TamperedIdentityError("what was kept of it names another series.")
        return names

    def seal(self, words: str, series_uid: str) -> str:
        """A sentence; nothing stays nothing."""
        return self._seal(words, f"words {series_uid}") if words else ""

    def open(self, text: str, series_uid: str) -> str:
        """A sentence, or a worker's, which was never sealed."""
        return self._open(text, f"words {series_uid}") if text.startswith(SEALED) else text

    def _seal(self, text: str, place: str) -> str:
        return SEALED + base64.b64encode(self._key.seal(text.encode(), place)).decode()

    def _open(self, text: str, place: str) -> str:
        if not text.startswith(SEALED):
            raise TamperedIdentityError("what was kept of it is not sealed.")
        try:
            sealed = base64.b64decode(text[len(SEALED) :], validate=True)
        except binascii.Error as error:
            raise TamperedIdentityError("what was kept of it is damaged.") from error
        return self._key.unseal(sealed, place).decode()
