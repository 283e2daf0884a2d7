"""The objects of one request or association: kept, recorded, and gathered until they are whole."""

from __future__ import annotations

from collections.abc import Sequence

from workers.arrival_additions import Addition
from workers.arrival_store import ArrivalStore
from workers.instance_files import InstanceFiles
from workers.instances import ReceivedInstance
from workers.sources import Source


class Reception:
    """Keeps what comes, until the sender has said all that it wanted to say, or broke off."""

    def __init__(
        self, files: InstanceFiles, arrivals: ArrivalStore, source: Source, quiet_seconds: float
    ) -> None:
        self._files = files
        self._arrivals = arrivals
        self._source = source
        self._quiet_seconds = quiet_seconds
        self._seen_cuts: dict[str, int] = {}  # of each arrival, when its first object came
        self._open: dict[str, str] = {}  # arrivals by series

    def keep(self, received: Sequence[ReceivedInstance]) -> None:
        """Take over staged and synced files; on return they survive a loss of power.

        What is no CT is counted, and its file left to whoever staged it.
        """
        wanted = [one for one in received if one.is_ct]
        if wanted:
            self._files.keep(wanted)
        self.note(received)

    def note(self, received: Sequence[ReceivedInstance]) -> None:
        """Record objects whose files are kept already."""
        arrival_ids = self._arrivals.note(self._source, received, self._quiet_seconds)
        new = arrival_ids - self._seen_cuts.keys()
        if new:
            self._seen_cuts |= self._arrivals.find_cuts(new)
        series = {one.series_instance_uid for one in received if one.is_ct}
        if len(series) == len(arrival_ids) == 1:
            self._open[series.pop()] = next(iter(arrival_ids))

    def find_addition(self, instance: ReceivedInstance) -> Addition | None:
        """An object as the next one of an arrival; None where it may begin one, or is no CT."""
        arrival_id = self._open.get(instance.series_instance_uid)
        if arrival_id is None or not instance.is_ct:
            return None
        return Addition(arrival_id, instance, self._quiet_seconds)

    def touch(self) -> None:
        """More is on its way, though no object is complete: nobody is quiet who still sends."""
        if self._seen_cuts:
            self._arrivals.touch(self._seen_cuts, self._quiet_seconds)

    def end(self) -> None:
        """The request or association is over."""
        if self._seen_cuts:
            self._arrivals.end(self._seen_cuts)

    def break_off(self) -> None:
        """It ended before all was said, or not all that was said could be kept."""
        if self._seen_cuts:
            self._arrivals.break_off(self._seen_cuts)
