"""A client of the HTTP interface, for `oarlock submit` and for tests."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from workers.jobs import TERMINAL

PIECE_BYTES = 256 * 1024
TIMEOUT = httpx.Timeout(60.0, connect=10.0)


class RefusedRequestError(RuntimeError):
    """The server answered with a problem."""

    def __init__(self, status: int, detail: str) -> None:
        self.is_senders_fault = status < HTTPStatus.INTERNAL_SERVER_ERROR
        super().__init__(detail)


class Client:
    """Sends series to one server and fetches what becomes of them; `key`: or a token."""

    def __init__(self, url: str, key: str | None = None) -> None:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        self._http = httpx.Client(base_url=url, timeout=TIMEOUT, headers=headers)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._http.close()

    def send(self, files: Sequence[Path], fields: Mapping[str, str]) -> dict[str, Any]:
        """Upload the files of any number of series; the answer of POST /v1/jobs."""
        boundary = secrets.token_hex(16)
        answer = self._http.post(
            "/v1/jobs",
            content=_build_form(files, fields, boundary),
            headers={"Content-Type": f"multipart/form-data; boundary={boundary}"},
        )
        return dict(_check(answer).json())

    def follow(self, job_id: str) -> Iterator[dict[str, Any]]:
        """The job at every change, until it ends; a stream that breaks off is opened again."""
        state = ""
        while state not in TERMINAL:
            with suppress(httpx.RemoteProtocolError, httpx.ReadError):
                for job in self._read_events(job_id):
                    state = job["state"]
                    yield job

    def _read_events(self, job_id: str) -> Iterator[dict[str, Any]]:
        with self._http.stream("GET", f"/v1/jobs/{job_id}/events") as answer:
            if answer.is_error:
                answer.read()
            for line in _check(answer).iter_lines():
                if line.startswith("data:"):
                    yield json.loads(line.removeprefix("data:"))

    def fetch(self, address: str) -> bytes:
        """The content at one of a job's links."""
        return _check(self._http.get(address)).content


def _check(answer: httpx.Response) -> httpx.Response:
    if answer.is_success:
        return answer
    if answer.headers.get("content-type") == "application/problem+json":
        raise RefusedRequestError(answer.status_code, answer.json()["detail"])
    raise RefusedRequestError(answer.status_code, f"{answer.url} answered {answer.status_code}.")


def _build_form(files: Sequence[Path], fields: Mapping[str, str], boundary: str) -> Iterator[bytes]:
    """A form, one open file at a time: a series has more files than a process may open."""
    for name, value in fields.items():
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
        yield f"{head}{value}\r\n".encode()
    for file in files:
        shown = file.name.replace('"', "_").replace("\r", "_").replace("\n", "_")
        yield (
            f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="{shown}"'
            "\r\nContent-Type: application/octet-stream\r\n\r\n"
        ).encode()
        with file.open("rb") as opened:
            while piece := opened.read(PIECE_BYTES):
                yield piece
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()
