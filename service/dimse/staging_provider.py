"""DIMSE messages whose objects go to the disk as they arrive, and whose other parts are bounded."""

from __future__ import annotations

import logging
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydicom.uid import UID
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_primitives import DimsePrimitiveType
from pynetdicom.pdu_primitives import P_DATA

from contouring.dicom_files import UNREADABLE
from service.dimse.incoming_object import IncomingObject
from service.dimse.store_command import StoreCommand, build_store_answer, read_store_command
from workers.limits import MEBIBYTE
from workers.settings import Settings

if TYPE_CHECKING:
    from pynetdicom.association import Association

    from service.dimse.session import Session

MOST_COMMAND_BYTES = 64 * 1024
MOST_DATASET_BYTES = 4 * MEBIBYTE  # of anything but an object: a commitment for 20,000 of them
OF_COMMAND, LAST = 1, 2  # bits of a message control header (PS3.8 E.2)
FRAGMENT_HEAD = struct.Struct(">IBB")  # length of what follows it, context, control (PS3.8 9.3.5.1)
PDU_HEAD = struct.Struct(">BxI")  # type, length (PS3.8 9.3.1)
P_DATA_TF = 0x04
INVALID_PDU = "Evt19"  # PS3.8 9.2: answered with an A-ABORT

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Storing:
    context_id: int
    command: StoreCommand
    incoming: IncomingObject


class StagingProvider(DIMSEServiceProvider):
    """Gives each C-STORE a file in `folder`, and serves it in the thread that reads.

    pynetdicom hands each PDU through two queues and each message through a third; that took most of
    an object's time. Messages other than C-STORE are still its own.
    """

    def __init__(self, association: Association, folder: Path, limits: Settings) -> None:
        super().__init__(association)
        self._folder = folder
        self._limits = limits
        self._command = bytearray()  # as far as its fragments have come
        self._storing: _Storing | None = None
        self._sending = threading.Lock()
        self.session: Session | None = None  # from the moment that the association is admitted
        self.heard_at = time.monotonic()  # when the sender said anything last

    def take(self, content: bytearray) -> None:
        """Take the parts of messages that a P-DATA-TF PDU holds, and answer each object."""
        self.heard_at = time.monotonic()
        try:
            for context_id, control, fragment in _split(content):
                self._take_fragment(context_id, control, fragment)
        except (*UNREADABLE, OSError) as error:
            kind = type(error).__name__
            log.warning("an association is aborted: a message cannot be read (%s)", kind)
            self.dul.event_queue.put(INVALID_PDU)

    def discard(self) -> None:
        """The association is over: remove what did not arrive as a whole."""
        storing = self._storing  # the thread that reads may be at it
        if storing is not None:
            storing.incoming.discard()

    def send_msg(self, primitive: DimsePrimitiveType, context_id: int) -> None:
        """Queue all parts of a message, and nothing between them."""
        with self._sending:
            super().send_msg(primitive, context_id)

    def _take_fragment(self, context_id: int, control: int, fragment: memoryview) -> None:
        storing = self._storing
        if storing is not None:
            if control & OF_COMMAND or context_id != storing.context_id:
                raise ValueError("a message begins before the one before it is whole")
            storing.incoming.write(fragment)
            if control & LAST:
                self._storing = None
                self._store(context_id, storing.command, storing.incoming)
        elif control & OF_COMMAND:
            self._command += fragment
            if len(self._command) > MOST_COMMAND_BYTES:
                raise ValueError("a command is longer than any")
            if control & LAST:
                command, self._command = bytes(self._command), bytearray()
                self._begin(context_id, command)
        else:
            self._hand_on(context_id, control, fragment)

    def _begin(self, context_id: int, content: bytes) -> None:
        command = read_store_command(content)
        if command is None:
            self._hand_on(context_id, OF_COMMAND | LAST, content)
        elif not command.has_dataset:
            self._store(context_id, command, None)
        else:
            self._storing = _Storing(context_id, command, self._open(context_id, command))

    def _open(self, context_id: int, command: StoreCommand) -> IncomingObject:
        contexts = {one.context_id: one for one in self.assoc.accepted_contexts}
        context = contexts.get(context_id)
        if context is None:
            raise ValueError("it comes under a context that was not accepted")
        return IncomingObject(
            self._folder,
            command.sop_class_uid,
            command.sop_instance_uid,
            UID(context.transfer_syntax[0]),
            self._limits,
        )

    def _store(
        self, context_id: int, command: StoreCommand, incoming: IncomingObject | None
    ) -> None:
        if self.session is None or self.dul.socket is None:
            raise ValueError("the association was not admitted")
        answer = build_store_answer(command, self.session.store(command, incoming))
        with self._sending:
            if self.dul.to_provider_queue.empty():
                part = FRAGMENT_HEAD.pack(2 + len(answer), context_id, OF_COMMAND | LAST) + answer
                self.dul.socket.send(PDU_HEAD.pack(P_DATA_TF, len(part)) + part)
            else:  # behind the parts of another message, of which some may be sent
                self.dul.send_pdu(_build_part(context_id, OF_COMMAND | LAST, answer))

    def _hand_on(self, context_id: int, control: int, fragment: bytes | memoryview) -> None:
        self.receive_primitive(_build_part(context_id, control, fragment))
        dataset = None if self.message is None else self.message.data_set
        if dataset is not None and dataset.tell() > MOST_DATASET_BYTES:
            raise ValueError("a data set is longer than what it may hold")


def _build_part(context_id: int, control: int, fragment: bytes | memoryview) -> P_DATA:
    part = P_DATA()
    part.presentation_data_value_list.append((context_id, bytes((control,)) + bytes(fragment)))
    return part


def _split(content: bytearray) -> Iterator[tuple[int, int, memoryview]]:
    """Context, message control header and bytes of each fragment in a PDU (PS3.8 9.3.5)."""
    view, position = memoryview(content), 0
    while position < len(content):
        try:
            length, context_id, control = FRAGMENT_HEAD.unpack_from(content, position)
        except struct.error as error:
            raise ValueError("a PDU ends within the head of a fragment") from error
        end = position + 4 + length
        if length < 2 or end > len(content):
            raise ValueError("a fragment does not end where its PDU does")
        yield context_id, control, view[position + FRAGMENT_HEAD.size : end]
        position = end
