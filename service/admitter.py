"""Looks, all the time, for arrivals that may be whole, in a thread.

Several may run at once: each arrival is judged by the one that claims it.
"""

from __future__ import annotations

import logging
import threading

from sqlalchemy.exc import SQLAlchemyError

from contouring.errors import EncryptionKeyError, IdentityError, SealedFileError
from service.admission import Wait, judge
from service.context import Context
from workers.arrivals import Arrival, ArrivalState, Verdict

PAUSE_SECONDS = 1.0
AGAIN_SECONDS = 30.0  # after the disk or the database failed

log = logging.getLogger(__name__)


class Admitter:
    """Judges what is quiet, and what its sender says is done."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._tried: dict[str, int] = {}  # objects an arrival had when it was not whole yet
        self._stopping = False
        self._thread = threading.Thread(target=self._repeat, name="admitter", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Stop, and wait for a judgement under way."""
        self._stopping = True
        self._context.arriving.set()
        self._thread.join()

    def admit(self) -> None:
        """One round."""
        receiving = self._context.arrivals.find_receiving()
        due = [arrival for arrival in receiving if self._is_due(arrival)]
        for arrival in due:
            if self._stopping:
                return
            claimed = self._context.arrivals.claim(arrival)
            if claimed is not None:
                self._judge(claimed)
        known = {arrival.id for arrival in receiving}
        self._tried = {one: count for one, count in self._tried.items() if one in known}

    def _is_due(self, arrival: Arrival) -> bool:
        """Once it is quiet; at once where there may be proof that it is whole."""
        if arrival.state is ArrivalState.JUDGING or not arrival.quiet_seconds_left:
            return True
        entry = self._context.sources.find_entry(arrival.source)
        may_be_whole = entry.sends_whole_series or entry.count is not None
        is_new = self._tried.get(arrival.id) != arrival.received
        return arrival.has_ended and may_be_whole and is_new

    def _judge(self, arrival: Arrival) -> None:
        try:
            verdict = judge(arrival, self._context)
        except (SQLAlchemyError, OSError, EncryptionKeyError):
            log.exception("arrival %s could not be judged; it is judged again", arrival.id)
            verdict = Wait(AGAIN_SECONDS, arrival.expected)
        except (SealedFileError, IdentityError) as error:
            log.error("arrival %s cannot be judged: %s", arrival.id, error)
            verdict = Verdict(ArrivalState.REFUSED, fault=error.code, reason=str(error))
        except Exception:
            log.exception("arrival %s could not be judged", arrival.id)
            reason = "Oarlock failed to judge it: report this with the server's log."
            verdict = Verdict(ArrivalState.REFUSED, fault="internal-error", reason=reason)
        if isinstance(verdict, Wait):
            self._tried[arrival.id] = arrival.received
            self._context.arrivals.wait_again(arrival, verdict.seconds, verdict.expected)
            return
        self._context.arrivals.close(arrival, verdict)
        log.info("arrival %s: %s", arrival.id, verdict.state)
        if verdict.job_ids:
            self._context.reconciler.wake()

    def _repeat(self) -> None:
        while not self._stopping:
            self._context.arriving.clear()
            try:
                self.admit()
            except (SQLAlchemyError, OSError):
                log.exception("a round of the admitter failed; the next one tries again")
            self._context.arriving.wait(PAUSE_SECONDS)
