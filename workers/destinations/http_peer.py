"""A server that is spoken to over HTTP: at a checked address, without redirects or proxies."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import httpx

from contouring.errors import DeliveryError
from workers.destinations.addresses import AddressGuard, read_address
from workers.destinations.certificates import Certificates
from workers.destinations.credentials import Credentials

ANSWER_BYTES = 2**20
"""The answer to one object is some hundred bytes; what is longer is not read to its end."""

WHOLE_SECONDS = 900.0
"""Longest exchange: one byte now and then keeps every shorter limit waiting for ever."""

# It writes every address with its query, and with them the patient's UIDs.
logging.getLogger("httpx").setLevel(logging.WARNING)


@dataclass(frozen=True)
class Answer:
    """What a server said; `body`: at most `ANSWER_BYTES` of it."""

    status: int
    body: bytes

    @property
    def is_success(self) -> bool:
        """Whether it says that all went well."""
        return 200 <= self.status < 300


@dataclass(frozen=True)
class HttpPeer:
    """A server below `url`, which has no slash at its end."""

    url: str
    guard: AddressGuard
    timeout_seconds: float = 30.0
    credentials: Credentials | None = None
    certificates: Certificates = field(default_factory=Certificates)

    def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        content: bytes | Iterable[bytes] | None = None,
    ) -> Answer:
        """One request and its answer, whatever its status; `DeliveryError` where there is none."""
        url = httpx.URL(self.url + path)
        with httpx.Client(
            verify=self.certificates.open(), timeout=self.timeout_seconds, trust_env=False
        ) as client:
            request = client.build_request(
                method,
                url.copy_with(host=self._find_address(url)),
                headers={**self._build_headers(url), **(headers or {})},
                content=content,
                # The certificate must be that of the name, wherever we connect to.
                extensions={} if read_address(url.host) else {"sni_hostname": url.host},
            )
            try:
                return _read(client.send(request, stream=True))
            except httpx.HTTPError as error:
                reason = str(error) or type(error).__name__
                raise DeliveryError(
                    f"{url.scheme}://{url.netloc.decode()} gave no answer ({reason})."
                ) from error

    def _find_address(self, url: httpx.URL) -> str:
        port = url.port or {"http": 80, "https": 443}[url.scheme]
        try:
            return self.guard.find_address(url.host, port)
        except OSError as error:
            raise DeliveryError(
                f"the name {url.host} has no address ({error.strerror})."
            ) from error

    def _build_headers(self, url: httpx.URL) -> dict[str, str]:
        headers = {"Host": url.netloc.decode(), "Accept-Encoding": "identity"}
        if self.credentials is not None:
            headers["Authorization"] = self.credentials.build_header()
        return headers


def explain(answer: Answer) -> DeliveryError:
    """What a status other than success means, and where to look; nothing of the answer's words.

    They may name the patient.
    """
    status = answer.status
    if 300 <= status < 400:
        hint = "it sends us elsewhere, which is not followed: give the address that it means"
    elif status in (401, 403):
        hint = "it does not let us in: check the credentials"
    elif status in (404, 405):
        hint = "there is no such service at this address: check the url"
    elif status == 413:
        hint = "it takes no file of this size"
    else:
        hint = "its log says why"
    return DeliveryError(f"it answered HTTP {status}: {hint}.")


def _read(response: httpx.Response) -> Answer:
    body = bytearray()
    end = time.monotonic() + WHOLE_SECONDS
    try:
        for chunk in response.iter_raw():
            body += chunk
            if len(body) > ANSWER_BYTES or time.monotonic() > end:
                break
    finally:
        response.close()
    return Answer(response.status_code, bytes(body[:ANSWER_BYTES]))
