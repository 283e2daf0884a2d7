"""The listening socket of the DICOM node, and what each new connection is given."""

from __future__ import annotations

import logging
import socket
import ssl
import sys
import threading
from pathlib import Path
from socketserver import BaseServer
from typing import Any

from cryptography.x509 import load_der_x509_certificate
from pynetdicom.transport import AssociationSocket, RequestHandler, ThreadedAssociationServer

from workers.settings import Settings

HANDSHAKE_SECONDS = 10.0
THREADS_PER_ASSOCIATION = 4  # two of each association, and as many of those that are not admitted
OTHER_THREADS = 32

log = logging.getLogger(__name__)


class Listener(ThreadedAssociationServer):
    """Accepts connections, as many as threads can be spared for."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    most_threads = OTHER_THREADS

    def get_request(self) -> tuple[socket.socket, Any]:
        """The next connection; its TLS handshake is left to its own thread."""
        assert self.socket is not None
        connection, address = self.socket.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(HANDSHAKE_SECONDS)
        if self.ssl_context is None:
            return connection, address
        wrapped = self.ssl_context.wrap_socket(
            connection, server_side=True, do_handshake_on_connect=False
        )
        return wrapped, address

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether there is a thread for it; otherwise the connection is closed at once."""
        if threading.active_count() < self.most_threads:
            return True
        log.warning("a connection of %s is closed: too many at once", client_address[0])
        return False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that failed before an association was asked for."""
        log.warning("a connection of %s failed: %s", client_address[0], _name_error())

    def stop_listening(self) -> None:
        """Accept nothing more; associations under way go on."""
        BaseServer.shutdown(self)
        self.server_close()


class Connection(RequestHandler):
    """One connection, up to the start of its association."""

    def handle(self) -> None:
        """Shake hands where there is TLS, then wait for the request."""
        if isinstance(self.request, ssl.SSLSocket):
            self.request.do_handshake()
        super().handle()


def _name_error() -> str:
    """Of TLS also the reason, which is OpenSSL's."""
    error = sys.exc_info()[1]
    return getattr(error, "reason", None) or type(error).__name__


def build_tls(settings: Settings) -> ssl.SSLContext | None:
    """TLS as BCP 195 has it (PS3.15 B.9 and B.10); None where the settings name no certificate.

    With a CA, senders must have a certificate of it. Raises `OSError` for unusable files.
    """
    if settings.dimse_tls_cert is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")  # of TLS 1.2; those of 1.3 are all sound
    _load(context, settings.dimse_tls_cert, settings.dimse_tls_key)
    if settings.dimse_tls_ca is not None:
        context.load_verify_locations(settings.dimse_tls_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def find_certificate(transport: AssociationSocket | None) -> str:
    """Subject (RFC 4514) of the certificate that a sender has proved to own; empty without one."""
    connection = None if transport is None else transport.socket
    if not isinstance(connection, ssl.SSLSocket):
        return ""
    # Only one that was held against the CA is told.
    shown = connection.getpeercert(binary_form=True) if connection.getpeercert() else None
    return load_der_x509_certificate(shown).subject.rfc4514_string() if shown else ""


def _load(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    try:
        context.load_cert_chain(certificate, key)
    except OSError as error:  # ssl's own errors name no file
        raise OSError(
            f"the certificate {certificate} or its key cannot be used: {error}"
        ) from error
