"""The public keys of an OpenID Connect issuer, fetched when needed and kept for a while."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx
from jwt import PyJWK, PyJWKSet
from jwt.exceptions import PyJWKError, PyJWKSetError

from contouring.errors import IssuerUnreachableError, NotAuthenticatedError
from contouring.errors.login_faults import LoginFault
from workers.access_settings import is_private_url

FETCH_SECONDS = 5.0
FETCH_BYTES = 1024 * 1024
REFRESHED_SECONDS = 300.0  # how long a key that the issuer has withdrawn still counts
AGAIN_SECONDS = 60.0  # between two looks, whatever tokens claim
WAIT_SECONDS = 1.0  # for somebody else's look

log = logging.getLogger(__name__)


class IssuerKeys:
    """Finds a key by its id (`kid`).

    `kept_seconds`: how long known keys go on while the issuer does not answer.
    """

    def __init__(
        self,
        issuer: str,
        jwks_url: str | None,
        kept_seconds: float,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuer = issuer
        self._jwks_url = jwks_url
        self._kept_seconds = kept_seconds
        self._seconds = seconds
        self._keys: Mapping[str, PyJWK] = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._fetching = threading.Lock()

    def find(self, key_id: str) -> PyJWK:
        """The key. Raises `NotAuthenticatedError`, or `IssuerUnreachableError` without keys."""
        is_known = key_id in self._keys
        if self._is_stale() or not is_known:
            # Whoever shows a key that is known does not wait for somebody else's look; nobody
            # waits for long, for all requests share the threads in which they would.
            if self._fetching.acquire(timeout=0 if is_known else WAIT_SECONDS):
                try:
                    self._refresh(key_id)
                finally:
                    self._fetching.release()
            elif not is_known:
                raise IssuerUnreachableError(self._issuer)
        if self._is_too_old():
            raise IssuerUnreachableError(self._issuer)
        key = self._keys.get(key_id)
        if key is None:
            raise NotAuthenticatedError(
                "The token is signed with a key that its issuer has not", LoginFault.UNKNOWN_SIGNER
            )
        return key

    def _refresh(self, key_id: str) -> None:
        """Look again, unless somebody just has."""
        now = self._seconds()
        if key_id in self._keys and not self._is_stale():
            return
        if self._tried_at is not None and now - self._tried_at < AGAIN_SECONDS:
            return
        self._tried_at = now
        try:
            self._keys = self._fetch()
            self._fetched_at = now
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, PyJWKError, PyJWKSetError) as error:
            log.error("the keys of %s cannot be had: %s", self._issuer, type(error).__name__)

    def _fetch(self) -> Mapping[str, PyJWK]:
        with httpx.Client(timeout=FETCH_SECONDS, trust_env=False) as http:
            url = self._jwks_url or self._discover(http)
            found = PyJWKSet.from_dict(_read(http, url))
        return {
            key.key_id: key
            for key in found.keys
            if key.key_id is not None and key.public_key_use in (None, "sig")
        }

    def _discover(self, http: httpx.Client) -> str:
        """OpenID Connect Discovery 1.0, 4."""
        told = _read(http, f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
        if told.get("issuer") != self._issuer:
            raise ValueError("it calls itself by another name")
        url = told.get("jwks_uri")
        if not isinstance(url, str) or not is_private_url(url):
            raise ValueError("its keys lie where nobody may fetch them from")
        return url

    def _is_stale(self) -> bool:
        return self._is_older_than(REFRESHED_SECONDS)

    def _is_too_old(self) -> bool:
        return self._is_older_than(self._kept_seconds)

    def _is_older_than(self, seconds: float) -> bool:
        return self._fetched_at is None or self._seconds() - self._fetched_at > seconds


def _read(http: httpx.Client, url: str) -> dict[str, Any]:
    with http.stream("GET", url, headers={"Accept": "application/json"}) as answer:
        answer.raise_for_status()
        content = b""
        for piece in answer.iter_bytes():
            content += piece
            if len(content) > FETCH_BYTES:
                raise ValueError("it is too long")
    told = httpx.Response(200, content=content).json()
    if not isinstance(told, dict):
        raise ValueError("it is no object")
    return told
