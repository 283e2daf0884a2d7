"""What was sent cannot be contoured; sending something else can help."""

from __future__ import annotations

from collections.abc import Sequence

from contouring.errors.root import OarlockError


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


class DicomLimitError(UnusableInputError):
    """A DICOM file that would cost more than a limit allows, and is not read.

    `sop_class_uid`: of an object that is certainly no CT slice; empty otherwise.
    """

    code = "dicom-limit"

    def __init__(self, file: str, fault: str, sop_class_uid: str = "") -> None:
        self.file, self.fault, self.sop_class_uid = file, fault, sop_class_uid
        super().__init__(
            f"{file} is not read, for {fault}: send it without, or ask the server's operator."
        )


class WrongBodyError(UnusableInputError):
    """A request body of a type or a coding that the route does not take."""

    code = "wrong-body-type"

    def __init__(self, found: str, wanted: str) -> None:
        self.found, self.wanted = found, wanted
        super().__init__(f"The request's body is {found}: send {wanted}.")


class NotStorableError(UnusableInputError):
    """A file that is no DICOM object which could be kept (PS3.10 7.1, PS3.4 B.4)."""

    code = "not-storable"

    def __init__(self, fault: str) -> None:
        self.fault = fault
        super().__init__(f"The object cannot be stored: {fault}.")


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
