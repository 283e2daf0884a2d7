"""The DICOM node: it listens, and keeps what senders store."""

from __future__ import annotations

import logging
import threading
from contextlib import ExitStack

from pydicom.config import IGNORE
from pydicom.config import settings as settings_of_pydicom
from pydicom.dataset import Dataset
from pynetdicom import AE, _config, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made when it is imported
    StorageCommitmentPushModel,
    Verification,
)

from contouring.provenance import IMPLEMENTATION_UID, MANUFACTURER
from service.dimse.commitment import CommitmentRequests, build_report
from service.dimse.listener import (
    OTHER_THREADS,
    THREADS_PER_ASSOCIATION,
    Connection,
    Listener,
    build_tls,
)
from service.dimse.reporter import Reporter
from service.dimse.session import Session
from service.dimse.sessions import Sessions
from service.dimse.staging_provider import StagingProvider
from service.dimse.wire import rewire
from service.identities.border import open_identities
from workers.arrival_additions import ArrivalAdditions
from workers.arrival_store import ArrivalStore
from workers.audit.audit_store import AuditStore
from workers.audit.refusals import Refusals
from workers.audit.reporting import running
from workers.commitment_store import Commitment, CommitmentStore
from workers.database import migrate, open_engine
from workers.encryption.vault import open_vault
from workers.holdings import Holdings
from workers.instance_files import InstanceFiles
from workers.reception import Reception
from workers.result_store import ResultStore
from workers.series_store import SeriesStore
from workers.settings import Settings
from workers.shared_keeping import SharedKeeping
from workers.source_book import Sender, read_source_book

ACSE_SECONDS = 10.0  # for a request to come once there is a connection
DIMSE_SECONDS = 30.0  # for one PDU to arrive
IDLE_SECONDS = 60.0
PDU_BYTES = 128 * 1024
STOP_SECONDS = 10.0  # for associations to end by themselves

log = logging.getLogger(__name__)


class Node:
    """Shares database and data folder with the service, which judges what arrives."""

    def __init__(self, settings: Settings, port: int) -> None:
        self._settings = settings
        # Of the whole process: this is why a node has one of its own.
        _config.UNRESTRICTED_STORAGE_SERVICE = True
        _config.LOG_HANDLER_LEVEL = "none"
        # What names an object is checked in `identify_by_head`; pydicom would check each UID of
        # each message, a fifth of a millisecond an object.
        settings_of_pydicom.reading_validation_mode = IGNORE
        logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # it logs what senders say
        book = read_source_book(settings.sources)
        series = SeriesStore(settings.data, settings.incoming_folder)
        self._staging = series.staging
        self._files = InstanceFiles(settings.data)
        self._engine = open_engine(settings.sql_url)
        migrate(self._engine)
        self._ending = ExitStack()
        self._ending.callback(open_vault(settings, self._engine).close)
        self._identities = open_identities(settings, self._engine, self._files, series)
        self._arrivals = ArrivalStore(self._engine)
        self._keeping = SharedKeeping(self._files, ArrivalAdditions(self._engine))
        store = CommitmentStore(self._engine, identities=self._identities)
        results = ResultStore(settings.data)
        self._holdings = Holdings(self._engine, self._files, results, self._identities)
        self._reporter = Reporter(store, book, self._build_report)
        requests = CommitmentRequests(store, self._reporter)
        audit = AuditStore(self._engine)
        self._running = running(audit, "dimse")
        self._sessions = Sessions(
            book, settings, self._open_session, requests.take, Refusals(audit)
        )
        self._listener = self._listen(port)
        self._thread = threading.Thread(
            target=self._listener.serve_forever, name="dimse", daemon=True
        )

    def start(self) -> None:
        """Begin to accept associations."""
        self._ending.enter_context(self._running)
        self._thread.start()
        self._reporter.start()

    def stop(self) -> None:
        """Accept no more, and let those under way finish for a while."""
        self._listener.stop_listening()
        self._sessions.wait_until_over(STOP_SECONDS)
        self._reporter.stop()
        self._ending.close()
        self._engine.dispose()

    def _listen(self, port: int) -> Listener:
        entity = AE(ae_title=self._settings.ae_title)
        entity.implementation_class_uid = IMPLEMENTATION_UID
        entity.implementation_version_name = MANUFACTURER.upper()
        entity.maximum_pdu_size = PDU_BYTES
        entity.acse_timeout = ACSE_SECONDS
        entity.dimse_timeout = DIMSE_SECONDS
        entity.network_timeout = IDLE_SECONDS
        entity.maximum_associations = 2**31  # counted in Sessions, without those not yet admitted
        for sop_class in (Verification, StorageCommitmentPushModel):
            entity.add_supported_context(sop_class)
        listener = entity.make_server(
            (self._settings.dimse_host, port),
            ssl_context=build_tls(self._settings),
            evt_handlers=[
                (evt.EVT_CONN_OPEN, self._prepare),
                (evt.EVT_REQUESTED, self._sessions.admit),
            ],
            server_class=Listener,
            request_handler=Connection,
        )
        assert isinstance(listener, Listener)
        most = THREADS_PER_ASSOCIATION * self._settings.dimse_associations
        listener.most_threads = most + OTHER_THREADS
        return listener

    def _prepare(self, event: evt.Event) -> None:
        association = event.assoc
        association.dimse = StagingProvider(association, self._staging, self._settings)
        rewire(association)

    def _build_report(self, asked: Commitment) -> tuple[int, Dataset]:
        return build_report(asked, self._holdings.of_project(asked.source.project))

    def _open_session(self, sender: Sender) -> Session:
        reception = Reception(
            self._files, self._arrivals, sender.source, sender.entry.quiet_seconds
        )
        ends_by_abort = sender.entry.ends_by_abort
        return Session(
            sender.source.shown, reception, self._keeping, ends_by_abort, self._identities
        )
