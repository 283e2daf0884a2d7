"""Every error Oarlock raises on purpose, in one tree.

    OarlockError
    ├── UnusableInputError            the sender can mend it: exit code 2, HTTP 4xx
    │   ├── EmptyUploadError
    │   ├── NotDicomError
    │   ├── BrokenZipError
    │   ├── UnsafeZipError
    │   ├── BrokenUploadError
    │   ├── UploadTooLargeError
    │   ├── NoCTSeriesError
    │   ├── MixedPatientsError
    │   ├── EverySeriesRefusedError
    │   └── SeriesRefusedError        one series of possibly many
    ├── ModelError
    │   ├── UnknownModelError
    │   ├── InvalidBundleError
    │   └── ModelChangedError         the bundle a job was accepted for is gone
    ├── InferenceError                the network ran and failed
    ├── NothingFoundError             the model sees none of its structures in the scan
    ├── TemplateError
    │   ├── UnknownTemplateError
    │   ├── InvalidTemplateError
    │   └── TemplateChangedError      the template a job was accepted for is gone
    ├── DerivationError               a derived structure that cannot be made
    ├── StructureSetError             a structure set that must not be written
    ├── ReleaseCheckError             a written file that does not say what the network said
    ├── StorageFullError              the data folder has no room for more
    └── JobError
        ├── UnknownJobError
        ├── WrongJobStateError
        ├── JobCancelledError         raised inside a running job
        └── LeaseLostError            likewise

Each carries values; its message says what was wrong, where, and what the sender can do.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contouring.drafts import Output


class OarlockError(Exception):
    """Root of the tree; `code` is stable and appears in problem types and job records."""

    code = "oarlock-error"


class UnusableInputError(OarlockError):
    """What was sent cannot be contoured; sending something else can help."""

    code = "unusable-input"


class EmptyUploadError(UnusableInputError):
    """A request without a file."""

    code = "empty-upload"

    def __init__(self) -> None:
        super().__init__("The upload holds no file: send the DICOM files of a CT series, or a zip.")


class NotDicomError(UnusableInputError):
    """A file that is not DICOM Part 10."""

    code = "not-dicom"

    def __init__(self, file: str, wanted: str = "the slices of a CT series") -> None:
        self.file = file
        super().__init__(f"{file} is not a DICOM file: send {wanted}.")


class BrokenZipError(UnusableInputError):
    """A zip that cannot be read to its end."""

    code = "broken-zip"

    def __init__(self, file: str, fault: str) -> None:
        self.file, self.fault = file, fault
        super().__init__(f"{file} cannot be unpacked ({fault}): zip the series again and resend.")


class UnsafeZipError(UnusableInputError):
    """A zip with an entry that points outside its folder, or that is a link."""

    code = "unsafe-zip"

    def __init__(self, file: str, entry: str) -> None:
        self.file, self.entry = file, entry
        super().__init__(
            f"{file} holds the entry {entry!r}, which points outside the archive or is a link: "
            "zip plain files only."
        )


class BrokenUploadError(UnusableInputError):
    """A request body that is not the upload it should be."""

    code = "broken-upload"

    def __init__(self, fault: str) -> None:
        self.fault = fault
        super().__init__(
            f"The upload cannot be read ({fault}): send multipart/form-data with either many "
            "DICOM files or one zip."
        )


class UploadTooLargeError(UnusableInputError):
    """More bytes or files than a limit allows."""

    code = "upload-too-large"

    def __init__(self, what: str, limit: str) -> None:
        self.what, self.limit = what, limit
        super().__init__(f"{what} exceeds the limit of {limit}: send fewer or smaller files.")


class NoCTSeriesError(UnusableInputError):
    """No CT image among the files."""

    code = "no-ct-series"

    def __init__(self, found: str) -> None:
        self.found = found
        super().__init__(f"No CT series was found (only {found}): send the planning CT's slices.")


class MixedPatientsError(UnusableInputError):
    """Two patients in one upload."""

    code = "mixed-patients"

    def __init__(self, first_file: str, second_file: str) -> None:
        self.first_file, self.second_file = first_file, second_file
        super().__init__(
            f"{first_file} and {second_file} belong to different patients: send one at a time."
        )


class EverySeriesRefusedError(UnusableInputError):
    """Every CT series of an upload was refused; `reasons` names why, series by series."""

    code = "every-series-refused"

    def __init__(self, reasons: Sequence[str]) -> None:
        self.reasons = tuple(reasons)
        super().__init__("No series of the upload can be contoured. " + " ".join(reasons))


class SeriesRefusedError(UnusableInputError):
    """A CT series whose geometry or pixels cannot be contoured faithfully.

    `fault` is a stable slug ("missing-slice"); `reason` a sentence naming file, slice or value.
    """

    code = "series-refused"

    def __init__(self, fault: str, reason: str) -> None:
        self.fault, self.reason = fault, reason
        super().__init__(f"{fault}: {reason}")


class ModelError(OarlockError):
    """A model that cannot be used."""

    code = "model-error"


class UnknownModelError(ModelError):
    """A model name that no folder holds."""

    code = "unknown-model"

    def __init__(self, name: str, known: Sequence[str]) -> None:
        self.name, self.known = name, tuple(known)
        super().__init__(f"There is no model {name!r}; known models: {', '.join(known) or 'none'}.")


class InvalidBundleError(ModelError):
    """A model folder whose card or artifacts are wrong."""

    code = "invalid-bundle"

    def __init__(self, folder: Path, fault: str) -> None:
        self.folder, self.fault = folder, fault
        super().__init__(f"The model in {folder} cannot be used: {fault}")


class ModelChangedError(ModelError):
    """A worker has no bundle of this name with the checksum a job was accepted for."""

    code = "model-changed"

    def __init__(self, name: str, checksum: str) -> None:
        self.name, self.checksum = name, checksum
        super().__init__(
            f"The model {name!r} with checksum {checksum[:12]} is not installed on the worker: "
            "install that model again and retry, or send the series again for the present one."
        )


class InferenceError(OarlockError):
    """A network that failed, or whose output makes no sense."""

    code = "inference-failed"


class NothingFoundError(OarlockError):
    """A scan in which a model found none of its structures, or of its `anchors` if it has some."""

    code = "nothing-found"

    def __init__(self, model: str, structures: Sequence[str], anchors: Sequence[str] = ()) -> None:
        self.model, self.structures, self.anchors = model, tuple(structures), tuple(anchors)
        none_of = "the structures that it must find one of" if anchors else "its structures"
        super().__init__(
            f"The model {model} found none of {none_of}, so no structure set was made. Not in this "
            f"scan: {', '.join(anchors or structures)}. Check that it shows the model's body part."
        )


class TemplateError(OarlockError):
    """A template that cannot be used."""

    code = "template-error"


class UnknownTemplateError(TemplateError):
    """A template name that no folder holds."""

    code = "unknown-template"

    def __init__(self, name: str, known: Sequence[str]) -> None:
        self.name, self.known = name, tuple(known)
        super().__init__(
            f"There is no template {name!r}; known templates: {', '.join(known) or 'none'}."
        )


class InvalidTemplateError(TemplateError):
    """A template file that is wrong."""

    code = "invalid-template"

    def __init__(self, file: Path, fault: str) -> None:
        self.file, self.fault = file, fault
        super().__init__(f"The template {file} cannot be used: {fault}")


class TemplateChangedError(TemplateError):
    """A worker has no template of this name with the checksum a job was accepted for."""

    code = "template-changed"

    def __init__(self, name: str, checksum: str) -> None:
        self.name, self.checksum = name, checksum
        super().__init__(
            f"The template {name!r} with checksum {checksum[:12]} is not installed on the worker: "
            "install it again and retry, or send the series again for the present one."
        )


class DerivationError(OarlockError):
    """A derived structure that a template asks for and that cannot be made."""

    code = "derivation-failed"

    def __init__(self, structure: str, fault: str) -> None:
        self.structure, self.fault = structure, fault
        super().__init__(f"The derived structure {structure} cannot be made: {fault}")


class StructureSetError(OarlockError):
    """A structure set that would be invalid or incomplete."""

    code = "structure-set-invalid"


class ReleaseCheckError(OarlockError):
    """A structure set that failed its release check; `withheld`: it, for the report alone."""

    code = "release-check-failed"

    def __init__(self, breaches: Sequence[str], withheld: Output | None = None) -> None:
        self.breaches, self.withheld = tuple(breaches), withheld
        super().__init__(
            "The written structure set was read back and does not hold what the network said, so "
            f"it was not released. {' '.join(breaches)} Report this with the job's id."
        )


class StorageFullError(OarlockError):
    """No room is left where series and results are kept."""

    code = "storage-full"


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
