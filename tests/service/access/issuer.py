"""An OpenID Connect issuer on this machine: discovery, keys that change, and tokens of any kind."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

AUDIENCE = "oarlock"
SUBJECT = "4f1c-ada"
POLL_SECONDS = 0.02

MAKERS = {
    "RS256": (lambda: rsa.generate_private_key(65537, 2048), RSAAlgorithm),
    "ES256": (lambda: ec.generate_private_key(ec.SECP256R1()), ECAlgorithm),
    "EdDSA": (ed25519.Ed25519PrivateKey.generate, OKPAlgorithm),
}


@cache
def make_first_key() -> Any:
    """The same for all issuers: making one takes longer than most tests."""
    return MAKERS["RS256"][0]()


class Issuer:
    """What it answers at each path can be changed; `asked` counts what it was asked for."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.private_keys: dict[str, tuple[str, Any]] = {}
        self.asked: Counter[str] = Counter()
        self.is_down = False
        self.discovery: dict[str, object] = {"issuer": url, "jwks_uri": f"{url}/keys"}
        self.more_keys: list[Mapping[str, object]] = []
        self._may_answer = threading.Event()
        self._may_answer.set()

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Let everybody wait who asks."""
        self._may_answer.clear()
        try:
            yield
        finally:
            self._may_answer.set()

    def add_key(self, key_id: str, algorithm: str = "RS256") -> None:
        """A new key; it is among those that are told from now on."""
        self.private_keys[key_id] = (algorithm, MAKERS[algorithm][0]())

    def tell(self, path: str) -> object | None:
        """The answer to a request."""
        self.asked[path] += 1
        self._may_answer.wait()
        if self.is_down:
            return None
        documents = {
            "/.well-known/openid-configuration": self.discovery,
            "/keys": self._tell_keys(),
        }
        return documents.get(path)

    def sign(
        self, key_id: str = "one", header: Mapping[str, object] | None = None, **claims: object
    ) -> str:
        """A token that is right but for what is given; None leaves a claim out."""
        algorithm, key = self.private_keys[key_id]
        headers = {"kid": key_id, **(header or {})}
        return jwt.encode(self.build_claims(**claims), key, algorithm, headers)

    def build_claims(self, **claims: object) -> dict[str, object]:
        """Those of a token that is right, but for what is given."""
        now = int(time.time())
        right = {
            "iss": self.url,
            "tenant": "trial",
            "aud": AUDIENCE,
            "sub": SUBJECT,
            "iat": now,
            "exp": now + 300,
        }
        return {name: value for name, value in {**right, **claims}.items() if value is not None}

    def _tell_keys(self) -> object:
        keys = [
            {**MAKERS[algorithm][1].to_jwk(key.public_key(), as_dict=True), "kid": key_id}
            for key_id, (algorithm, key) in self.private_keys.items()
        ]
        return {"keys": [*keys, *self.more_keys]}


@contextmanager
def run_issuer() -> Iterator[Issuer]:
    """An issuer with one key, `one`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told = issuer.tell(self.path)
            content = json.dumps(told).encode()
            self.send_response(503 if told is None else 200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer = Issuer(f"http://127.0.0.1:{server.server_address[1]}")
    issuer.private_keys["one"] = ("RS256", make_first_key())
    thread = threading.Thread(target=server.serve_forever, args=(POLL_SECONDS,), daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
