"""What one request, connection or file may cost, each read from `OARLOCK_<NAME>`.

Part of `workers.settings.Settings`; docs/security.md has them as a table.
"""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings

from contouring.dicom_gate import DicomLimits

KIBIBYTE = 1024
MEBIBYTE = 1024 * KIBIBYTE
GIBIBYTE = 1024 * MEBIBYTE


class Limits(BaseSettings):
    """Limits on what strangers send; a site may lower or raise each."""

    upload_bytes: int = Field(4 * GIBIBYTE, ge=1, description="Largest request body.")
    upload_files: int = Field(5000, ge=1, description="Most files of one request.")
    series_files: int = Field(
        5000, ge=1, description="Most objects of a series, in however many requests they come."
    )
    study_series: int = Field(
        200, ge=1, description="Most CT series of a study, in however many requests they come."
    )
    json_bytes: int = Field(
        MEBIBYTE, ge=1, description="Largest body of a request that brings no file."
    )
    lint_bytes: int = Field(
        512 * MEBIBYTE, ge=1, description="Largest structure set that is linted over HTTP."
    )
    checks_at_once: int = Field(
        2, ge=1, description="Series or structure sets judged over HTTP at the same time."
    )
    zip_entries: int = Field(20_000, ge=1, description="Most entries of a zip.")
    zip_inflated_bytes: int = Field(8 * GIBIBYTE, ge=1, description="Most bytes a zip may unpack.")
    zip_ratio: float = Field(
        100.0,
        gt=1,
        description="Most bytes unpacked per byte of a zip, above OARLOCK_ZIP_RATIO_BYTES.",
    )
    zip_ratio_bytes: int = Field(
        256 * MEBIBYTE, ge=0, description="Unpacked size up to which any ratio is allowed."
    )

    http_connections: int = Field(
        800,
        ge=1,
        description="Most HTTP connections at once; beyond them the one that has waited longest "
        "without a request makes way.",
    )
    http_head_bytes: int = Field(
        16 * KIBIBYTE, ge=1024, description="Longest request line and headers together."
    )
    http_head_seconds: float = Field(
        10.0, gt=0, description="Time in which a request's headers must be complete."
    )
    http_idle_seconds: float = Field(
        30.0,
        gt=0,
        description="Longest silence within a body, and longest time that an answer is not read.",
    )
    http_least_bytes_per_second: int = Field(
        10_000, ge=0, description="Least rate of a body, over each OARLOCK_HTTP_RATE_SECONDS of it."
    )
    http_rate_seconds: float = Field(
        30.0, gt=0, description="Time over which the rate of a body is judged."
    )
    http_request_seconds: float = Field(
        1800.0,
        gt=0,
        description="Longest time from the first byte to the last of a request that brings no "
        "file.",
    )

    dicom_file_bytes: int = Field(GIBIBYTE, ge=1, description="Largest DICOM file.")
    dicom_depth: int = Field(32, ge=1, description="Deepest nesting of sequences in a file.")
    dicom_elements: int = Field(
        20_000,
        ge=1,
        description="Most elements of a CT slice's file; in other objects ten times as many, or "
        "one for 32 bytes of the file if that is more.",
    )
    dicom_items: int = Field(
        20_000,
        ge=1,
        description="Most items of a slice's sequences, all together; more in other objects, "
        "likewise. And most fragments of a slice's pixels, ten times as many in other objects.",
    )
    dicom_value_bytes: int = Field(
        16 * MEBIBYTE, ge=1, description="Longest value of an element other than pixels."
    )
    dicom_side: int = Field(2048, ge=1, description="Most rows, and most columns, of a CT.")
    dicom_least_side: int = Field(16, ge=1, description="Least rows, and least columns, of a CT.")
    dicom_frames: int = Field(4000, ge=1, description="Most frames of a CT.")
    dicom_bits: int = Field(16, ge=1, description="Most bits of a CT's stored values.")
    deflated_bytes: int = Field(
        256 * MEBIBYTE, ge=1, description="Most bytes that a deflated DICOM file may inflate to."
    )
    deflate_ratio: float = Field(
        20.0,
        gt=1,
        description="Most bytes inflated per byte of a deflated file, above "
        "OARLOCK_DEFLATE_RATIO_BYTES.",
    )
    deflate_ratio_bytes: int = Field(
        16 * MEBIBYTE, ge=0, description="Inflated size up to which any ratio is allowed."
    )

    @property
    def dicom_limits(self) -> DicomLimits:
        """As the data path knows them."""
        return DicomLimits(
            file_bytes=self.dicom_file_bytes,
            depth=self.dicom_depth,
            elements=self.dicom_elements,
            items=self.dicom_items,
            value_bytes=self.dicom_value_bytes,
            side=self.dicom_side,
            least_side=self.dicom_least_side,
            frames=self.dicom_frames,
            bits=self.dicom_bits,
            inflated_bytes=self.deflated_bytes,
            inflate_ratio=self.deflate_ratio,
            inflate_ratio_bytes=self.deflate_ratio_bytes,
        )
