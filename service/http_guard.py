"""HTTP connections with an end: uvicorn alone waits for ever for a client that says little.

A client that is late is answered with 408 and its connection closed, whatever it is late with:
its headers, its body, or the reading of its answer. When all connections are taken, the one that
has waited longest without a request makes way, so that half-open ones keep nobody out.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import re
import sys
import termios
from http import HTTPStatus
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from service.client_patience import ClientPatience, PatienceLimits, Phase
from service.problems import MEDIA_TYPE, TYPE_PREFIX
from service.request_gate import BRINGS_FILES
from workers.limits import Limits

LOOK_SECONDS = 1.0
LOOKS_PER_LIMIT = 4  # for limits of less than a few seconds
HEAD_END = re.compile(rb"\r?\n\r?\n")
RETRY_SECONDS = 5

log = logging.getLogger(__name__)


class GuardedProtocol(H11Protocol):
    """One connection, with the limits of a site."""

    def __init__(self, *arguments: Any, limits: Limits, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._limits = limits
        self._patience_limits = PatienceLimits.of(limits)
        self._patience = ClientPatience(self._patience_limits, self.loop.time())
        self._next_look: asyncio.TimerHandle | None = None
        self._unread_bytes = 0  # of what was written, at the last look

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected; there may be too many of them."""
        super().connection_made(transport)
        self._plan_look()
        if self._is_one_too_many() and not self._make_room():
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections at once")

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        if self._next_look is not None:
            self._next_look.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes have come: count them, and hold a request's head to its limit."""
        if self.transport.is_closing():
            return
        now = self.loop.time()
        if self.conn.their_state is h11.IDLE:
            pending, _ = self.conn.trailing_data
            if self.cycle is not None and not pending:
                self._patience.begin_request(now)
            head = pending + data
            end = HEAD_END.search(head)
            if (len(head) if end is None else end.end()) > self._limits.http_head_bytes:
                most = self._limits.http_head_bytes
                status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
                self._refuse(status, f"its headers are longer than {most} bytes")
                return
        super().data_received(data)
        # Behind it, for what came may be the last of a head and the first of a body.
        self._patience.enter(self._find_phase(), now)
        self._patience.hear(len(data), now)

    @property
    def waiting_since(self) -> float | None:
        """Since when no request came, or not all of its head; None where one is under way."""
        if self._find_phase() is not Phase.HEAD:
            return None
        return self._patience.waiting_since

    def _find_phase(self) -> Phase:
        if self.conn.their_state is h11.SEND_BODY:
            return Phase.BODY
        is_idle = self.conn.their_state is h11.IDLE and self.conn.our_state is h11.IDLE
        return Phase.HEAD if is_idle else Phase.ANSWER

    def _plan_look(self) -> None:
        limits = self._patience_limits
        shortest = min(limits.head_seconds, limits.idle_seconds, limits.rate_seconds)
        pause = min(LOOK_SECONDS, shortest / LOOKS_PER_LIMIT)
        self._next_look = self.loop.call_later(pause, self._look)

    def _look(self) -> None:
        now = self.loop.time()
        self._patience.enter(self._find_phase(), now)
        fault = self._patience.look(
            now,
            is_reading=not self.flow.read_paused,
            is_read=self._is_read(),
            brings_files=self._brings_files(),
        )
        if fault is None:
            self._plan_look()
        else:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, fault)

    def _is_read(self) -> bool:
        """Whether the client takes what was written, however slowly."""
        if not self.flow.write_paused:
            return True
        before, self._unread_bytes = self._unread_bytes, _count_unread(self.transport)
        # Where it grew something was read, too: while writing is paused nothing is written.
        return self._unread_bytes != before

    def _brings_files(self) -> bool:
        """Whether the request under way does, and nobody has refused it yet."""
        if self.cycle is None or self.cycle.response_complete:
            return False
        return BRINGS_FILES.fullmatch(self.cycle.scope["path"]) is not None

    def _is_one_too_many(self) -> bool:
        most = self._limits.http_connections
        if len(self.connections) <= most:
            return False
        return sum(not one.transport.is_closing() for one in self.connections) > most

    def _make_room(self) -> bool:
        """Close the connection that has waited longest; False where each has a request."""
        waiting = [
            (one.waiting_since, number, one)
            for number, one in enumerate(self.connections)
            if isinstance(one, GuardedProtocol)
            and one is not self
            and one.waiting_since is not None
            and not one.transport.is_closing()
        ]
        if not waiting:
            return False
        min(waiting)[2]._refuse(HTTPStatus.REQUEST_TIMEOUT, "others wait for its connection")
        return True

    def _refuse(self, status: HTTPStatus, fault: str) -> None:
        """Say why, where no answer has begun, and close the connection."""
        log.warning("an HTTP connection is closed: %s", fault)
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE) and not self.flow.write_paused:
            self.transport.write(_build_answer(status, fault))
            self.transport.close()
        else:
            self.transport.abort()


def _count_unread(transport: asyncio.Transport) -> int:
    """Bytes that were written and that the client's side has not taken.

    Most wait in the kernel, which wakes the transport only when a third of them have left.
    """
    connection = transport.get_extra_info("socket")
    if connection is None or connection.fileno() < 0:  # it is being lost
        return 0
    waiting = fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4))
    return transport.get_write_buffer_size() + int.from_bytes(waiting, sys.byteorder)


def _build_answer(status: HTTPStatus, fault: str) -> bytes:
    code = status.phrase.lower().replace(" ", "-")
    problem: dict[str, object] = {
        "type": TYPE_PREFIX + code,
        "title": code.replace("-", " ").capitalize(),
        "status": status.value,
        "detail": f"The connection is closed: {fault}.",
        "errors": [],
    }
    body = json.dumps(problem).encode()
    head = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        f"Content-Type: {MEDIA_TYPE}",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        head.append(f"Retry-After: {RETRY_SECONDS}")
    return "\r\n".join([*head, "", ""]).encode() + body
