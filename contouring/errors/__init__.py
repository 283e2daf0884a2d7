"""Every error Oarlock raises on purpose, in one tree.

    OarlockError
    ├── UnusableInputError            the sender can mend it: exit code 2, HTTP 4xx
    │   ├── EmptyUploadError
    │   ├── NotDicomError
    │   ├── BrokenZipError
    │   ├── UnsafeZipError
    │   ├── BrokenUploadError
    │   ├── UploadTooLargeError
    │   ├── WrongBodyError            a request of a type that the route does not take
    │   ├── DicomLimitError           a file that would cost too much to read
    │   ├── NotStorableError          an object that names no class, instance, study or series
    │   ├── NoCTSeriesError
    │   ├── MixedPatientsError
    │   ├── EverySeriesRefusedError
    │   └── SeriesRefusedError        one series of possibly many
    ├── ModelError
    │   ├── UnknownModelError
    │   ├── InvalidBundleError
    │   ├── ModelChangedError         the bundle a job was accepted for is gone
    │   ├── RuntimeUnavailableError   what would run it cannot be used here
    │   │   ├── RuntimeMissingError   it is not installed
    │   │   └── UnusableRuntimeError  it is, and does not work
    │   │       └── EngineMissingError    it has no engine for this machine
    │   └── EngineBuildError          a graph that it could not make an engine of
    ├── InferenceError                the network ran and failed
    ├── NothingFoundError             the model sees none of its structures in the scan
    ├── TemplateError
    │   ├── UnknownTemplateError
    │   ├── InvalidTemplateError
    │   └── TemplateChangedError      the template a job was accepted for is gone
    ├── ConfigurationError
    │   ├── InvalidConfigurationError
    │   ├── UnsafeStartError          a server that others could reach, and that is not safe so
    │   ├── IdentitySettingsError     the key of what is taken off series is missing or wrong
    │   └── MixedIdentitiesError      a data folder kept with another setting of it
    ├── IdentityError                 what was taken off a series cannot be put back
    │   └── TamperedIdentityError     for it was changed, or is another's
    ├── AccessError                   a request that whoever sent it may not make
    │   ├── NotAuthenticatedError     nobody who is known
    │   ├── NotAllowedError           somebody without a role that may
    │   ├── CrossSiteError            a page of another site asked through a browser
    │   ├── TooManyRequestsError
    │   └── IssuerUnreachableError    the keys that tokens are signed with cannot be had
    ├── DerivationError               a derived structure that cannot be made
    ├── StructureSetError             a structure set that must not be written
    ├── ReleaseCheckError             a written file that does not say what the network said
    ├── DeliveryError                 a destination that did not take what it was sent
    │   ├── AddressRefusedError       one that the administrator's file does not allow
    │   └── UnknownDestinationError
    ├── StorageFullError              the data folder has no room for more
    ├── EncryptionKeyError            the keys of the files at rest cannot be had
    ├── SealedFileError               a file at rest that was damaged or changed
    ├── BackupError                   one that cannot be made, or must not be put back
    ├── UnknownArrivalError
    ├── DataLockedError               a data folder that a restore or a server uses
    └── JobError
        ├── UnknownJobError
        ├── WrongJobStateError
        ├── JobCancelledError         raised inside a running job
        └── LeaseLostError            likewise

Each carries values; its message says what was wrong, where, and what the sender can do.
"""

from __future__ import annotations

from contouring.errors.access import (
    AccessError,
    CrossSiteError,
    IssuerUnreachableError,
    NotAllowedError,
    NotAuthenticatedError,
    TooManyRequestsError,
)
from contouring.errors.identities import (
    IdentityError,
    IdentitySettingsError,
    MixedIdentitiesError,
    TamperedIdentityError,
)
from contouring.errors.inputs import (
    BrokenUploadError,
    BrokenZipError,
    DicomLimitError,
    EmptyUploadError,
    EverySeriesRefusedError,
    MixedPatientsError,
    NoCTSeriesError,
    NotDicomError,
    NotStorableError,
    SeriesRefusedError,
    UnsafeZipError,
    UnusableInputError,
    UploadTooLargeError,
    WrongBodyError,
)
from contouring.errors.models import (
    ConfigurationError,
    EngineBuildError,
    EngineMissingError,
    InvalidBundleError,
    InvalidConfigurationError,
    InvalidTemplateError,
    ModelChangedError,
    ModelError,
    RuntimeMissingError,
    RuntimeUnavailableError,
    TemplateChangedError,
    TemplateError,
    UnknownModelError,
    UnknownTemplateError,
    UnsafeStartError,
    UnusableRuntimeError,
)
from contouring.errors.operation import (
    AddressRefusedError,
    BackupError,
    DataLockedError,
    DeliveryError,
    EncryptionKeyError,
    JobCancelledError,
    JobError,
    LeaseLostError,
    SealedFileError,
    StorageFullError,
    UnknownArrivalError,
    UnknownDestinationError,
    UnknownJobError,
    WrongJobStateError,
)
from contouring.errors.results import (
    DerivationError,
    InferenceError,
    NothingFoundError,
    ReleaseCheckError,
    StructureSetError,
)
from contouring.errors.root import (
    OarlockError,
)

__all__ = [
    "AccessError",
    "AddressRefusedError",
    "BackupError",
    "BrokenUploadError",
    "BrokenZipError",
    "ConfigurationError",
    "CrossSiteError",
    "DataLockedError",
    "DeliveryError",
    "DerivationError",
    "DicomLimitError",
    "EmptyUploadError",
    "EncryptionKeyError",
    "EngineBuildError",
    "EngineMissingError",
    "EverySeriesRefusedError",
    "IdentityError",
    "IdentitySettingsError",
    "InferenceError",
    "InvalidBundleError",
    "InvalidConfigurationError",
    "InvalidTemplateError",
    "IssuerUnreachableError",
    "JobCancelledError",
    "JobError",
    "LeaseLostError",
    "MixedIdentitiesError",
    "MixedPatientsError",
    "ModelChangedError",
    "ModelError",
    "NoCTSeriesError",
    "NotAllowedError",
    "NotAuthenticatedError",
    "NotDicomError",
    "NotStorableError",
    "NothingFoundError",
    "OarlockError",
    "ReleaseCheckError",
    "RuntimeMissingError",
    "RuntimeUnavailableError",
    "SealedFileError",
    "SeriesRefusedError",
    "StorageFullError",
    "StructureSetError",
    "TamperedIdentityError",
    "TemplateChangedError",
    "TemplateError",
    "TooManyRequestsError",
    "UnknownArrivalError",
    "UnknownDestinationError",
    "UnknownJobError",
    "UnknownModelError",
    "UnknownTemplateError",
    "UnsafeStartError",
    "UnsafeZipError",
    "UnusableInputError",
    "UnusableRuntimeError",
    "UploadTooLargeError",
    "WrongBodyError",
    "WrongJobStateError",
]
