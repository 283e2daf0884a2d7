"""A connection as pynetdicom sees it: bounded in what its bytes may cost, and waking whom it must.

pynetdicom reads as much as a PDU's header announces, up to 4 GiB, and waits for it without an end.
Its two threads for each association look every millisecond whether there is anything to do: 25 idle
associations cost most of a core, and each answer waits for two such looks. Here both threads sleep
until there is something. P-DATA-TF PDUs of an association that stands go straight to its messages.
"""

from __future__ import annotations

import logging
import os
import queue
import select
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pynetdicom.timer import Timer
from pynetdicom.transport import AssociationSocket

from service.dimse.staging_provider import P_DATA_TF, StagingProvider
from workers.limits import MEBIBYTE

if TYPE_CHECKING:
    import socket

    from pynetdicom.association import Association

MOST_PDU_BYTES = MEBIBYTE  # 128 KiB are negotiated
HEADER_BYTES = 6  # type, reserved, length (PS3.8 9.3.1)
PDU_TYPES = range(1, 8)
UNKNOWN_TYPE = 0xFF
DATA_TRANSFER = "Sta6"  # PS3.8 9.2: the association stands, and nobody ends it yet
CLOSED = "Evt17"  # PS3.8 9.2: so is the connection
LOOK_SECONDS = 0.05  # between two looks at what wakes nobody: timers, and the end of a thread

log = logging.getLogger(__name__)


class Wire(AssociationSocket):
    """The socket of one association that is about to start."""

    def __init__(self, association: Association, connection: socket.socket) -> None:
        super().__init__(association, client_socket=connection)
        self.event_queue.get_nowait()  # "connected", which the wrapper before this one said too
        self._patience = association.dul._idle_timer = Patience(association.network_timeout)
        self._header: bytearray | None = None  # read, and not yet asked for
        self._body_follows = False
        self._is_woken = False
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(connection, select.POLLIN)
        self._poll.register(self._wake, select.POLLIN)

    def __del__(self) -> None:
        os.close(self._wake)

    @property
    def ready(self) -> bool:
        """Whether there is a PDU for pynetdicom; waits a moment for it, or for `wake`.

        One with parts of messages is none: it is read and served here.
        """
        try:
            while self._header is None and self._is_readable():
                # pynetdicom's own round costs as much as a PDU: only where it has something to do.
                dul = self.assoc.dul
                if self._is_woken or dul._kill_thread or not self.event_queue.empty():
                    return False
                stands = dul.state_machine.current_state == DATA_TRANSFER
                if not stands or not self._take_data():
                    return True
        except OSError:  # also of `TimeoutError`
            self.event_queue.put(CLOSED)
            return False
        return self._header is not None

    def wake(self) -> None:
        """There is something to send."""
        os.eventfd_write(self._wake, 1)

    def recv(self, nr_bytes: int) -> bytearray:
        """Read a PDU's header, or what it announced, in turns; raises `TimeoutError`.

        A header that announces more than any is handed on as of no known type, which is answered
        with an A-ABORT.
        """
        if self._body_follows:
            self._body_follows = False
            return self._read(nr_bytes)
        header, self._header = self._header or self._read(nr_bytes), None
        if len(header) == HEADER_BYTES and header[0] in PDU_TYPES:
            (length,) = struct.unpack_from(">L", header, 2)
            self._body_follows = length <= MOST_PDU_BYTES
            if not self._body_follows:
                log.warning("an association is aborted: a PDU announces %d bytes", length)
                header[0] = UNKNOWN_TYPE
        return header

    def _is_readable(self) -> bool:
        self._is_woken = False
        if self.socket is None or not self._is_connected:
            return False
        if getattr(self.socket, "pending", int)():  # bytes that TLS has taken from the socket
            return True
        found = dict(self._poll.poll(1000 * LOOK_SECONDS))
        self._is_woken = self._wake in found
        if self._is_woken:
            os.eventfd_read(self._wake)
        return any(descriptor != self._wake for descriptor in found)

    def _take_data(self) -> bool:
        """Serve the PDU that comes next if it is P-DATA-TF, else keep what was read of it."""
        header = self._header = self._read(HEADER_BYTES)
        if len(header) < HEADER_BYTES or header[0] != P_DATA_TF:
            return False
        (length,) = struct.unpack_from(">L", header, 2)
        provider = self.assoc.dimse
        if length > MOST_PDU_BYTES or not isinstance(provider, StagingProvider):
            return False
        self._header = None
        content = self._read(length)
        if len(content) < length:
            self.event_queue.put(CLOSED)
            return True
        with self._patience.suspended():
            provider.take(content)
        return True

    def _read(self, count: int) -> bytearray:
        if self.socket is None:
            return bytearray()
        is_known = self.assoc.is_established
        seconds = self.assoc.dimse_timeout if is_known else self.assoc.acse_timeout
        end = time.monotonic() + (seconds or 0.0)
        content = bytearray(count)
        read = 0
        with memoryview(content) as view:
            while read < count:
                self.socket.settimeout(max(end - time.monotonic(), 0.001))
                step = self.socket.recv_into(view[read:])
                if not step:
                    break
                read += step
        del content[read:]
        return content


class Patience(Timer):
    """How long a sender may be silent; while an object of its is stored, it is not."""

    def __init__(self, timeout: float | None) -> None:
        super().__init__(timeout)
        self._is_suspended = False

    @property
    def expired(self) -> bool:
        """Whether the sender was silent for too long; asked by another thread."""
        return not self._is_suspended and super().expired

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Within the block; it begins anew behind it."""
        self._is_suspended = True
        try:
            yield
        finally:
            self.restart()
            self._is_suspended = False


class WakingQueue(queue.Queue[Any]):
    """A queue that tells whenever something was put into it."""

    def __init__(self, wake: Callable[[], None]) -> None:
        super().__init__()
        self._wake = wake

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Put, and tell."""
        super().put(item, block, timeout)
        self._wake()


class Checkpoint(threading.Event):
    """Where the thread that serves an association stops in each round: until there is work."""

    def __init__(self, work: threading.Event, *queues: queue.Queue[Any]) -> None:
        super().__init__()
        self.set()
        self._work = work
        self._queues = queues

    def wait(self, timeout: float | None = None) -> bool:
        """Sleep while nothing came, then as long as pynetdicom holds this thread."""
        self._work.clear()
        if all(one.empty() for one in self._queues):
            self._work.wait(LOOK_SECONDS)
        return super().wait(timeout)


def rewire(association: Association) -> None:
    """Give an association that is about to start a socket and queues that wake its threads."""
    dul = association.dul
    if dul.socket is None or dul.socket.socket is None:
        return
    wire = dul.socket = Wire(association, dul.socket.socket)
    dul.to_provider_queue = WakingQueue(wire.wake)
    dul._run_loop_delay = 0.0
    work = threading.Event()
    dul.to_user_queue = WakingQueue(work.set)
    association.dimse.msg_queue = WakingQueue(work.set)
    queues = dul.to_user_queue, association.dimse.msg_queue
    association._reactor_checkpoint = Checkpoint(work, *queues)
