"""C-STORE: a structure set to a DICOM node, over TLS by option (PS3.4 Annex B, PS3.15 B.1)."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from contouring.errors import DeliveryError
from workers.destinations.addresses import AddressGuard
from workers.destinations.certificates import Certificates
from workers.destinations.parcels import Parcel
from workers.destinations.store_status import DUPLICATE, SUCCESS, is_warning, name_status


@dataclass(frozen=True)
class CStoreReceiver:
    """A DICOM node; `certificates`: of its TLS, None without it."""

    host: str
    port: int
    called_ae: str
    calling_ae: str
    guard: AddressGuard
    timeout_seconds: float = 30.0
    certificates: Certificates | None = None

    def send(self, parcel: Parcel) -> str:
        """Store it; the dataset's bytes are the file's unless the node wants the other VR."""
        with self._associate(parcel.sop_class_uid) as association:
            try:
                answer = association.send_c_store(parcel.file)
            except ValueError as error:
                raise DeliveryError(f"{self._name} takes no structure sets.") from error
            except RuntimeError as error:
                raise DeliveryError(f"{self._name} ended the association at once.") from error
        status = answer.get("Status")
        if status is None:
            raise DeliveryError(f"{self._name} broke off or did not answer in time.")
        if status == DUPLICATE:
            return "it was there already."
        if status != SUCCESS and not is_warning(status):
            raise DeliveryError(f"{self._name} refused it: {name_status(status)}.")
        return "" if status == SUCCESS else f"stored with a warning: {name_status(status)}."

    def probe(self) -> str:
        """C-ECHO (PS3.4 Annex A)."""
        with self._associate(Verification) as association:
            answer = association.send_c_echo()
        if answer.get("Status") != SUCCESS:
            raise DeliveryError(f"{self._name} answered no C-ECHO.")
        return "it answered C-ECHO."

    @property
    def _name(self) -> str:
        return f"{self.called_ae} at {self.host}:{self.port}"

    @contextmanager
    def _associate(self, sop_class_uid: str) -> Iterator[Association]:
        address = self._find_address()
        entity = AE(ae_title=self.calling_ae)
        for name in ("acse_timeout", "dimse_timeout", "network_timeout", "connection_timeout"):
            setattr(entity, name, self.timeout_seconds)
        # One context for each: a node that takes both is sent the file as it is.
        for syntax in (ImplicitVRLittleEndian, ExplicitVRLittleEndian):
            entity.add_requested_context(sop_class_uid, syntax)
        tls = (self.certificates.open(), self.host) if self.certificates else None
        association = entity.associate(
            address,
            self.port,
            ae_title=self.called_ae,
            tls_args=tls,
            evt_handlers=[(evt.EVT_CONN_OPEN, _limit_waiting, [self.timeout_seconds])],
        )
        if not association.is_established:
            raise DeliveryError(self._explain(association, address))
        try:
            yield association
        finally:
            if association.is_established:
                association.release()

    def _find_address(self) -> str:
        try:
            return self.guard.find_address(self.host, self.port)
        except OSError as error:
            raise DeliveryError(f"the name {self.host} has no address ({error}).") from error

    def _explain(self, association: Association, address: str) -> str:
        """Why there is no association; the library only says that there is none."""
        if association.is_rejected:
            answer = association.acceptor.primitive
            reason = answer.reason_str if answer is not None else "no reason given"
            return (
                f"{self._name} rejected us as {self.calling_ae}: {reason}. Check the AE titles, "
                "and that it knows ours and this machine's address."
            )
        try:
            socket.create_connection((address, self.port), self.timeout_seconds).close()
        except OSError as error:
            return f"{self._name} cannot be reached ({error.strerror or error})."
        return (
            f"{self._name} is there, and no association came about: check whether it wants TLS, "
            "whether the certificates fit, and whether it takes what was proposed."
        )


def _limit_waiting(event: evt.Event, timeout_seconds: float) -> None:
    """No byte is waited for, or for room to send one, without an end."""
    connection = event.assoc.dul.socket
    if connection is not None and connection.socket is not None:
        connection.socket.settimeout(timeout_seconds)
