"""Where deliveries are made: a courier with its stores and destinations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

from pydicom import dcmread
from pydicom.uid import generate_uid

from tests.workers.deliveries import plan_job
from tests.workers.processes import wait_until
from workers.courier import Courier
from workers.deliveries import Delivery, DeliveryState, Pauses
from workers.destinations.destinations import Destination, Destinations
from workers.identities import PLAIN, Identities
from workers.job_store import JobStore
from workers.jobs import Job, NewJob, OutputRecord, PlannedDelivery
from workers.lease_store import LeaseStore, NewResult
from workers.outbox_store import OutboxStore
from workers.result_store import ResultStore

SHORT_PAUSES = Pauses(first_seconds=0.05, longest_seconds=0.05, total_hours=1.0)


OUTPUTS = (
    OutputRecord("eclipse", "eclipse.rtstruct.dcm"),
    OutputRecord("generic", "generic.rtstruct.dcm"),
)


@dataclass(frozen=True)
class Office:
    """A database with results, and couriers of it."""

    jobs: JobStore
    leases: LeaseStore
    results: ResultStore
    outbox: OutboxStore
    files: dict[str, bytes]
    new_job: Callable[..., NewJob]
    uids: list[str]

    def finish(self, *planned: PlannedDelivery, series: str = "series") -> Job:
        """A job that is done and has somewhere to go."""
        (job,) = self.jobs.add([plan_job(lambda: self.new_job(series), *planned)])
        claimed = self.leases.claim("worker")
        assert claimed is not None
        stored = self.results.keep(job.id, claimed.fence, self._make_files(job.id))
        self.leases.finish(claimed, NewResult(stored.folder, stored.files, OUTPUTS, (), (), {}))
        return self.jobs.find(job.id)

    def _make_files(self, job_id: str) -> dict[str, bytes]:
        """Each with a UID of its own, as every job's have."""
        made = {}
        for name, content in self.files.items():
            dataset = dcmread(BytesIO(content))
            uid = generate_uid(entropy_srcs=[job_id, name])
            dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid
            buffer = BytesIO()
            dataset.save_as(buffer)
            made[name] = buffer.getvalue()
            if name == OUTPUTS[0].rtstruct:
                self.uids.append(str(uid))
        return made

    def hire(self, *destinations: Destination, identities: Identities = PLAIN) -> Courier:
        """A courier that knows these destinations."""
        known = Destinations({one.name: one for one in destinations})
        return Courier(self.outbox, self.jobs, self.results, known, 0.05, identities)

    def rows_of(self, job: Job) -> tuple[Delivery, ...]:
        """The job's deliveries."""
        return self.outbox.list_by_job([job.id])[job.id]

    def wait_for(self, job: Job, *states: DeliveryState) -> tuple[Delivery, ...]:
        """The job's deliveries once they are in these states."""
        wait_until(
            lambda: sorted(row.state for row in self.rows_of(job)) == sorted(states),
            f"{job.id}: {states}",
        )
        return self.rows_of(job)
