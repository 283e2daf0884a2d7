"""What listens where others reach it must not let everybody in, nor be overheard."""

from __future__ import annotations

import ipaddress
import socket

from sqlalchemy import Engine

from contouring.errors import InvalidConfigurationError, UnsafeStartError
from workers.key_store import KeyStore
from workers.settings import Settings
from workers.source_book import read_source_book


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address or name."""
    try:
        found = {str(info[4][0]) for info in socket.getaddrinfo(host, 0)}
    except OSError:
        return False
    return all(ipaddress.ip_address(one.partition("%")[0]).is_loopback for one in found)


def check_http_start(settings: Settings, engine: Engine) -> None:
    """Raise `UnsafeStartError` for an HTTP server that others reach and that is not safe so."""
    if is_loopback(settings.host):
        return
    faults = []
    has_tokens = settings.oidc_issuer is not None
    if not (has_tokens or settings.first_key is not None or KeyStore(engine).has_live()):
        faults.append(
            "Nobody could be let in: make a key with `oarlock keys create`, set OARLOCK_FIRST_KEY, "
            "or set OARLOCK_OIDC_ISSUER and OARLOCK_OIDC_AUDIENCE."
        )
    if settings.tls_cert is None and not settings.behind_proxy:
        faults.append(
            "Keys and patients would be sent in the clear: set OARLOCK_TLS_CERT and "
            "OARLOCK_TLS_KEY, or OARLOCK_BEHIND_PROXY=true if a proxy with TLS is before it and "
            "nobody gets past that."
        )
    if faults:
        raise UnsafeStartError(settings.host, faults)


def check_node_start(settings: Settings) -> None:
    """The same for a DICOM node: its senders must be listed, for DIMSE knows no key.

    Raises `InvalidConfigurationError`, too, for a list that asks for what they are not asked for.
    """
    book = read_source_book(settings.sources)
    if settings.sources and book.wants_certificates and settings.dimse_tls_ca is None:
        raise InvalidConfigurationError(
            settings.sources, ["A source has a certificate: set OARLOCK_DIMSE_TLS_CA to its CA."]
        )
    if settings.sources is None and not is_loopback(settings.dimse_host):
        raise UnsafeStartError(
            settings.dimse_host,
            [
                "Everybody could store objects: list the senders in a file and set "
                "OARLOCK_SOURCES to it (a file that says `unknown: accept` lets everybody)."
            ],
        )
