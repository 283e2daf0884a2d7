"""An audit repository that takes messages by syslog: RFC 5424 in RFC 5425's frames.

Syslog has no answers. Each batch is therefore a connection of its own, and counts as taken once the
collector has closed its side after we closed ours: it has read all that came before.
"""

from __future__ import annotations

import fcntl
import socket
import ssl
import struct
import termios
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC
from urllib.parse import urlsplit

from contouring.errors import DeliveryError
from workers.audit.entries import AuditRecord
from workers.audit.message_xml import AuditSource, build_message
from workers.destinations.certificates import Certificates

PRIORITY = 10 * 8 + 5  # security, notice (PS3.15 A.6)
MESSAGE_ID = "DICOM+RFC3881"
UTF_8_MARK = b"\xef\xbb\xbf"
PORTS = {"tls": 6514, "tcp": 601}
SEQUENCES = 2**31 - 1  # RFC 5424 7.3.1: then it begins anew at 1


@dataclass(frozen=True)
class Collector:
    """`scheme`: tls or tcp; the latter for this machine alone."""

    scheme: str
    host: str
    port: int
    source: AuditSource
    certificates: Certificates = field(default_factory=Certificates)
    timeout_seconds: float = 10.0

    def send(self, records: Sequence[AuditRecord]) -> None:
        """Hand over records in their order; `DeliveryError` where not all are surely taken."""
        try:
            # Connected first: through an outage nothing is built in vain.
            with closing(self._connect()) as connection:
                connection.sendall(b"".join(build_frame(one, self.source) for one in records))
                self._finish(connection)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise DeliveryError(
                f"the audit collector {self.scheme}://{self.host}:{self.port} did not take "
                f"records ({reason})."
            ) from error

    def _connect(self) -> socket.socket:
        plain = socket.create_connection((self.host, self.port), self.timeout_seconds)
        if self.scheme != "tls":
            return plain
        context = self.certificates.open()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            return context.wrap_socket(plain, server_hostname=self.host)
        except OSError:
            plain.close()
            raise

    def _finish(self, connection: socket.socket) -> None:
        """Say that this was all, and wait until the collector says that it has read it.

        One that keeps its side open for ever has at least all bytes in its machine's memory.
        """
        try:
            if isinstance(connection, ssl.SSLSocket):
                # It closes in its turn; some do so without a word, which TLS calls an error. One
                # that dies resets the connection, which is another.
                with suppress(ssl.SSLEOFError):
                    connection.unwrap()
                return
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass
        except TimeoutError:
            if _count_unsent(connection):
                raise


def read_collector(
    address: str, source: AuditSource, certificates: Certificates | None = None
) -> Collector:
    """The collector at `tls://host:port` or `tcp://host:port`."""
    parts = urlsplit(address)
    assert parts.hostname is not None
    return Collector(
        scheme=parts.scheme,
        host=parts.hostname,
        port=parts.port or PORTS[parts.scheme],
        source=source,
        certificates=certificates or Certificates(),
    )


def build_frame(record: AuditRecord, source: AuditSource) -> bytes:
    """A syslog message behind the count of its bytes (RFC 5425 4.3)."""
    at = record.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    process, _, rest = record.process.partition("@")
    host, _, process_id = rest.rpartition(":")
    sequence = (record.number - 1) % SEQUENCES + 1
    words = (
        f"<{PRIORITY}>1",
        at,
        host[:255] or "-",
        f"oarlock-{process}"[:48],
        process_id or "-",
        MESSAGE_ID,
        f'[meta sequenceId="{sequence}"]',
    )
    message = " ".join(words).encode("ascii", "replace") + b" " + UTF_8_MARK
    message += build_message(record, source)
    return str(len(message)).encode() + b" " + message


def _count_unsent(connection: socket.socket) -> int:
    """Bytes that the peer's machine has not acknowledged."""
    answer = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, b"\0" * 4)
    return int(struct.unpack("i", answer)[0])
