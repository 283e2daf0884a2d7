"""Certificates of a TLS connection, in PEM files."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from contouring.errors import DeliveryError


@dataclass(frozen=True)
class Certificates:
    """PEM files; unset: the system's authorities, and no certificate of our own."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    verifies: bool = True

    def open(self) -> ssl.SSLContext:
        """The context of a connection; `DeliveryError` where a file cannot be used."""
        try:
            context = ssl.create_default_context(cafile=self.ca)
            if self.certificate is not None:
                context.load_cert_chain(self.certificate, self.key)
        except OSError as error:
            shown = ", ".join(str(file) for file in (self.ca, self.certificate, self.key) if file)
            reason = error.strerror or type(error).__name__
            raise DeliveryError(f"its certificates cannot be used ({shown}: {reason}).") from error
        if not self.verifies:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context
