"""One association's objects: each is durable before it is acknowledged (PS3.4 B.2.3)."""

from __future__ import annotations

import logging
import threading
from collections import Counter

from sqlalchemy.exc import SQLAlchemyError

from contouring.errors import (
    DicomLimitError,
    NotStorableError,
    StorageFullError,
    UploadTooLargeError,
)
from service.dimse.incoming_object import IncomingObject
from service.dimse.store_command import StoreAnswer, StoreCommand
from service.problems import NO_SPACE
from workers.database import is_out_of_space
from workers.identities import PLAIN, Identities
from workers.instances import ReceivedInstance
from workers.reception import Reception
from workers.shared_keeping import SharedKeeping

SUCCESS = 0x0000
PROCESSING_FAILURE = 0x0110
OUT_OF_RESOURCES = 0xA700
DOES_NOT_MATCH = 0xA900  # the data set and the SOP class of the command
CANNOT_UNDERSTAND = 0xC000
OUR_FAULTS = (PROCESSING_FAILURE, OUT_OF_RESOURCES)  # another try may be stored

log = logging.getLogger(__name__)


class Session:
    """Answers the C-STOREs of one association; `name`: of their source."""

    def __init__(
        self,
        name: str,
        reception: Reception,
        keeping: SharedKeeping,
        ends_by_abort: bool = False,
        identities: Identities = PLAIN,
    ) -> None:
        self._name = name
        self._ends_by_abort = ends_by_abort
        self._reception = reception
        self._keeping = keeping
        self._identities = identities
        self._counts: Counter[int] = Counter()
        self._is_over = False
        self._turn = threading.Lock()  # an association may end while its last object is stored

    def store(self, command: StoreCommand, incoming: IncomingObject | None) -> StoreAnswer:
        """The answer to a C-STORE; `incoming`: all of its data set, if it has one."""
        if incoming is None:
            return self._answer(CANNOT_UNDERSTAND, "it has no data set")
        with self._turn:
            if self._is_over:
                incoming.discard()
                return self._answer(PROCESSING_FAILURE, "the association is over")
            return self._store(command, incoming)

    def end(self, *, is_released: bool) -> None:
        """The association is over; was all stored that the sender wanted to say?

        An abort says no, unless this sender always ends so.
        """
        with self._turn:
            self._is_over = True
        how = "released" if is_released else "aborted"
        failed = sum(self._counts.values()) - self._counts[SUCCESS]
        log.info("%s: %s, %d stored, %d failed", self._name, how, self._counts[SUCCESS], failed)
        is_done = is_released or self._ends_by_abort
        is_kept = not any(self._counts[status] for status in OUR_FAULTS)
        try:
            if is_done and is_kept:
                self._reception.end()
            else:
                self._reception.break_off()
        except SQLAlchemyError:
            log.exception("%s: how it ended could not be recorded", self._name)

    def _store(self, command: StoreCommand, incoming: IncomingObject) -> StoreAnswer:
        try:
            instance = incoming.finish()
            fault = _find_mismatch(instance, command)
            if fault:
                return self._answer(DOES_NOT_MATCH, fault)
            self._keeping.keep(self._reception, self._identities.hide(instance))
        except DicomLimitError as error:
            if error.sop_class_uid != command.sop_class_uid:
                return self._answer(CANNOT_UNDERSTAND, error.fault)
            # No CT, and as such not kept anyway: a router must not stop at it.
            log.warning("%s: an object that is no CT is over a limit, and not read", self._name)
        except NotStorableError as error:
            return self._answer(CANNOT_UNDERSTAND, error.fault)
        except (StorageFullError, UploadTooLargeError) as error:
            log.warning("%s: %s", self._name, error)
            return self._answer(OUT_OF_RESOURCES, "no room for it: send it again later")
        except OSError as error:
            log.exception("%s: the storage failed", self._name)
            status = OUT_OF_RESOURCES if error.errno in NO_SPACE else PROCESSING_FAILURE
            return self._answer(status, f"the storage failed ({error.strerror})")
        except SQLAlchemyError as error:
            log.exception("%s: the database failed", self._name)
            status = OUT_OF_RESOURCES if is_out_of_space(error) else PROCESSING_FAILURE
            return self._answer(status, "the database failed: send it again later")
        except Exception:  # whatever it is, the sender must not take the object for stored
            log.exception("%s: an object could not be stored", self._name)
            return self._answer(PROCESSING_FAILURE, "an unexpected error; see the server's log")
        finally:
            incoming.discard()
        return self._answer(SUCCESS)

    def _answer(self, status: int, comment: str = "") -> StoreAnswer:
        """`comment` is for the sender alone: it may have words of the object."""
        self._counts[status] += 1
        if comment:
            log.warning("%s: an object is answered with 0x%04X", self._name, status)
        return StoreAnswer(status, comment)


def _find_mismatch(instance: ReceivedInstance, command: StoreCommand) -> str:
    if instance.sop_class_uid != command.sop_class_uid:
        return "its SOP Class UID is not the command's"
    if instance.sop_instance_uid != command.sop_instance_uid:
        return "its SOP Instance UID is not the command's"
    return ""
