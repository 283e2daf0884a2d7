"""Jobs, deliveries and the disk."""

from __future__ import annotations

from collections.abc import Sequence

from contouring.errors.root import OarlockError


class DeliveryError(OarlockError):
    """A destination that did not take what it was sent; `fault` holds no word of the patient."""

    code = "delivery-failed"

    def __init__(self, fault: str) -> None:
        self.fault = fault
        super().__init__(f"Not delivered: {fault}")


class AddressRefusedError(DeliveryError):
    """An address that nothing is sent to, for a reason that the administrator can overrule."""

    code = "address-refused"

    def __init__(self, address: str, reason: str) -> None:
        self.address, self.reason = address, reason
        super().__init__(f"{address} is not connected to: {reason}")


class UnknownDestinationError(DeliveryError):
    """A name that the destinations' file does not have, or that a job is not planned for."""

    code = "unknown-destination"

    def __init__(self, name: str, known: Sequence[str]) -> None:
        self.name, self.known = name, tuple(known)
        super().__init__(
            f"there is no destination {name!r}; known destinations: {', '.join(known) or 'none'}."
        )


class StorageFullError(OarlockError):
    """No room is left where series and results are kept."""

    code = "storage-full"


class EncryptionKeyError(OarlockError):
    """The keys of the files at rest cannot be had, as far as this process can tell."""

    code = "encryption-key-missing"

    def __init__(self, fault: str) -> None:
        self.fault = fault
        super().__init__(
            f"The encryption's keys cannot be used: {fault}. Nothing is lost: files are readable, "
            "and jobs go on, once OARLOCK_ENCRYPTION_KEY_FILE names a file that has them."
        )


class SealedFileError(OarlockError):
    """A file at rest that is not what was written there."""

    code = "sealed-file-damaged"

    def __init__(self, file: str, fault: str) -> None:
        self.file, self.fault = file, fault
        super().__init__(
            f"The file {file} of the data folder is not used: {fault}. It was damaged or changed "
            "on the disk: restore it from a backup, or send the series again."
        )


class BackupError(OarlockError):
    """A backup that cannot be made, or that must not be put back."""

    code = "backup-failed"

    def __init__(self, fault: str) -> None:
        self.fault = fault
        super().__init__(f"Nothing was backed up or put back: {fault}")


class UnknownArrivalError(OarlockError):
    """No arrival has this id."""

    code = "unknown-arrival"

    def __init__(self, arrival_id: str) -> None:
        self.arrival_id = arrival_id
        super().__init__(f"There is no arrival {arrival_id}: list what came in at /v1/arrivals.")


class DataLockedError(OarlockError):
    """A data folder that a restore has to itself, or that a server uses."""

    code = "data-locked"

    def __init__(self, data: str) -> None:
        self.data = data
        super().__init__(
            f"{data} is in use by a server, a worker or a restore: stop it, or wait for its end."
        )


class JobError(OarlockError):
    """A request about a job that cannot be met."""

    code = "job-error"


class UnknownJobError(JobError):
    """No job has this id."""

    code = "unknown-job"

    def __init__(self, job_id: str) -> None:
        self.job_id = job_id
        super().__init__(f"There is no job {job_id}: list the jobs at /v1/jobs.")


class WrongJobStateError(JobError):
    """The job's state does not allow what was asked."""

    code = "wrong-job-state"

    def __init__(self, job_id: str, state: str, wanted: str) -> None:
        self.job_id, self.state, self.wanted = job_id, state, wanted
        super().__init__(f"Job {job_id} is {state}: {wanted}.")


class JobCancelledError(JobError):
    """Someone cancelled the job that is running."""

    code = "job-cancelled"

    def __init__(self, job_id: str) -> None:
        self.job_id = job_id
        super().__init__(f"Job {job_id} was cancelled.")


class LeaseLostError(JobError):
    """The worker running the job was given up; another one may run it by now."""

    code = "lease-lost"

    def __init__(self, job_id: str) -> None:
        self.job_id = job_id
        super().__init__(f"This worker no longer holds job {job_id}.")
