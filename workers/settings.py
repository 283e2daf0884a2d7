"""Settings, each read from an environment variable `OARLOCK_<NAME>`."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from models.runtime_names import RuntimeName
from workers.access_settings import AccessSettings
from workers.attempt_limits import AttemptLimits
from workers.deliveries import Pauses
from workers.limits import GIBIBYTE, Limits
from workers.logs import LogFormat
from workers.retention import Retention

COMMISSIONING = "commissioning"  # its contours mean nothing on a patient


class MissingSettingError(RuntimeError):
    """A setting without which a process cannot start."""


def split_names(text: str) -> tuple[str, ...]:
    """Names parted by commas, with spaces as anybody types them."""
    return tuple(name for part in text.split(",") if (name := part.strip()))


def _split_folders(text: str) -> tuple[Path, ...]:
    return tuple(Path(folder) for folder in text.split(os.pathsep) if folder)


class Settings(AccessSettings, Limits):
    """Everything a site can set; the defaults run the whole server on one machine."""

    model_config = SettingsConfigDict(
        env_prefix="OARLOCK_",
        env_ignore_empty=True,
        frozen=True,
        hide_input_in_errors=True,  # it may be a key
    )

    data: Path = Field(Path("oarlock-data"), description="Folder of series, results and database.")
    models: str = Field(
        "", description=f"More folders of models, parted by {os.pathsep!r}, beside the released."
    )
    model_keys: Path | None = Field(
        None,
        description="Public keys (PEM), a file or a folder of *.pem, of which one must have signed "
        "each model of OARLOCK_MODELS; unset: checksums alone are compared.",
    )
    default_model: str = Field("hn-oar", description="Model of a job that names none.")
    templates: str = Field(
        "", description=f"More folders of templates, parted by {os.pathsep!r}, beside the shipped."
    )
    default_templates: str = Field(
        "generic", description="Templates of a job that names none, parted by commas."
    )
    rules: Path | None = Field(
        None,
        description="YAML file of what becomes of a series; unset: each gets the defaults above.",
    )
    sources: Path | None = Field(
        None, description="YAML file of the senders that a site knows; unset: everybody may send."
    )
    ae_title: str = Field(
        "OARLOCK",
        pattern=r"^[!-\[\]-~]([ -\[\]-~]{0,14}[!-\[\]-~])?$",  # PS3.5 6.2
        description="AE title of the DICOM node.",
    )
    dimse_host: str = Field("127.0.0.1", description="Address the DICOM node listens on.")
    dimse_port: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="Port of the DICOM node; unset: none in `oarlock serve`, 11112 in `oarlock "
        "dimse`.",
    )
    dimse_requires_called_ae: bool = Field(
        True, description="Whether senders must call the node by its AE title."
    )
    dimse_associations: int = Field(
        25, ge=1, description="Most associations at once; more are rejected for the time being."
    )
    dimse_tls_cert: Path | None = Field(
        None, description="Certificate of the DICOM node (PEM); unset: no TLS."
    )
    dimse_tls_key: Path | None = Field(
        None, description="Its private key (PEM); unset: it is in the certificate's file."
    )
    dimse_tls_ca: Path | None = Field(
        None, description="CA (PEM) that senders must have a certificate of; unset: none is asked."
    )
    redis_url: str | None = Field(
        None, description="Redis of the queue; unset: `oarlock serve` starts one of its own."
    )
    database_url: str | None = Field(
        None, description="SQLAlchemy URL of the jobs; unset: SQLite in the data folder."
    )
    host: str = Field("127.0.0.1", description="Address the HTTP server listens on.")
    port: int = Field(8042, ge=1, le=65535, description="Port the HTTP server listens on.")
    threads: int | None = Field(
        None, ge=1, description="Inference threads of a worker; unset: one per core."
    )
    runtime: RuntimeName = Field(
        RuntimeName.AUTO,
        description="What runs the networks: tensorrt, onnx-tensorrt, onnxruntime-cuda, openvino "
        "or onnxruntime-cpu; auto: the first of these that `oarlock doctor` finds usable.",
    )
    engines: Path | None = Field(
        None,
        description="Folder of the engines that `oarlock engines build` makes; unset: `engines` in "
        "the data folder.",
    )

    prefetch_bytes: int | None = Field(
        None,
        ge=0,
        description="Largest series, in bytes of its voxels, that a worker reads ahead while it "
        "runs another job, 0 meaning none; unset: 256 MiB beside networks on a GPU, else none.",
    )

    lease_seconds: float = Field(
        30.0, gt=0, description="Time after its last heartbeat at which a job's worker is given up."
    )
    heartbeat_seconds: float = Field(
        5.0, gt=0, description="Pause between two heartbeats of a running job."
    )
    reconcile_seconds: float = Field(
        10.0, gt=0, description="Pause between two comparisons of database and queue."
    )
    child_deaths_limit: int = Field(
        3, ge=1, description="Deaths of its process at which a job is set aside as poisoned."
    )
    lost_leases_limit: int = Field(
        10, ge=1, description="Attempts a job may lose with its worker before it fails."
    )
    transient_errors_limit: int = Field(
        5, ge=1, description="Errors that may pass (a disk, a share) at which a job fails."
    )
    holds_partial: bool = Field(
        True,
        description="Whether a person must release structure sets in which a structure failed.",
    )
    watchdog_seconds: float = Field(
        15.0,
        gt=0,
        description="Time after which a worker ends itself that jobs wait for and nothing wakes.",
    )
    job_seconds_limit: int = Field(
        1380, ge=1, description="Longest run of one attempt; the job fails after it."
    )
    stop_seconds: float = Field(
        30.0, ge=0, description="Time a stopping worker gives the job it runs."
    )

    destinations: Path | None = Field(
        None, description="File of the destinations; unset: nothing is sent anywhere."
    )
    delivery_first_pause_seconds: float = Field(
        30.0, gt=0, description="Pause after a delivery's first try; it doubles with each."
    )
    delivery_longest_pause_seconds: float = Field(
        3600.0, gt=0, description="Longest pause between two tries of a delivery."
    )
    delivery_hours: float = Field(
        72, ge=0, description="Time that all pauses of a delivery add up to before it has failed."
    )
    courier_seconds: float = Field(
        2.0, gt=0, description="Pause between two looks for something to deliver."
    )

    encryption_key_file: Path | None = Field(
        None,
        description="File of the master keys, by which the files of patients are encrypted; unset: "
        "they are kept as they came.",
    )
    staging: Path | None = Field(
        None,
        description="Folder of the service alone, for what comes in until it is kept; only with "
        "OARLOCK_DEIDENTIFY.",
    )
    deidentify: str = Field(
        "",
        description="Profile by which series are kept without their patients, such as basic; "
        "unset: they are kept as they came.",
    )
    identity_key_file: Path | None = Field(
        None, description="File of the key of what was taken off them; the service's alone."
    )
    reserve_bytes: int = Field(
        2 * GIBIBYTE, ge=0, description="Free space of the data folder that uploads leave alone."
    )
    keep_delivered_hours: float = Field(
        72,
        ge=0,
        description="Time after its last delivery at which a job is purged.",
    )
    keep_ended_hours: float = Field(
        336, ge=0, description="Time after its end at which a job without a result is purged."
    )
    log_format: LogFormat = Field(
        LogFormat.PLAIN, description="Lines of the log: plain for people, json for programs."
    )
    audit_collector: str | None = Field(
        None,
        pattern=r"^(tls://[\w.:\[\]-]+|tcp://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?)$",
        description="Syslog server that gets the audit records: tls://HOST:6514, or tcp:// on this "
        "machine; unset: they stay in the database.",
    )
    audit_ca: Path | None = Field(
        None, description="CA (PEM) of the collector's certificate; unset: the system's."
    )
    audit_cert: Path | None = Field(
        None, description="Certificate (PEM) that the collector gets of us; unset: none."
    )
    audit_key: Path | None = Field(
        None, description="Its private key (PEM); unset: it is in the certificate's file."
    )
    audit_source: str = Field(
        "oarlock", min_length=1, description="Name of this system in its audit messages."
    )
    audit_site: str = Field("", description="Name of the site in them; unset: none.")
    audit_keep_days: float | None = Field(
        None, gt=0, description="Days that audit records are kept; unset: for ever."
    )
    orphan_seconds: float = Field(
        600, gt=0, description="Age at which files that no job points to are removed."
    )

    @field_validator("default_model")
    @classmethod
    def _is_for_patients(cls, name: str) -> str:
        if name == COMMISSIONING:
            raise ValueError(f"{COMMISSIONING} is for the phantom alone: name a model for patients")
        return name

    @field_validator("default_templates")
    @classmethod
    def _names_a_template(cls, names: str) -> str:
        if not split_names(names):
            raise ValueError("name at least one template")
        return names

    @property
    def incoming_folder(self) -> Path | None:
        """Where what comes in is staged, if that is not in the data folder."""
        return self.staging / "incoming" if self.staging and self.deidentify else None

    @property
    def engine_folder(self) -> Path:
        """Where built engines lie."""
        return self.engines or self.data / "engines"

    @property
    def model_folders(self) -> tuple[Path, ...]:
        """The extra folders that hold models."""
        return _split_folders(self.models)

    @property
    def template_folders(self) -> tuple[Path, ...]:
        """The extra folders that hold templates."""
        return _split_folders(self.templates)

    @property
    def default_template_names(self) -> tuple[str, ...]:
        """Templates of a job that names none."""
        return split_names(self.default_templates)

    @property
    def attempt_limits(self) -> AttemptLimits:
        """How often each cause may cost a job an attempt."""
        return AttemptLimits(
            child_deaths=self.child_deaths_limit,
            lost_leases=self.lost_leases_limit,
            transient_errors=self.transient_errors_limit,
        )

    @property
    def read_ahead_bytes(self) -> int | None:
        """As set; 0 where a job must not lose even one process to what is read beside it."""
        return self.prefetch_bytes if self.child_deaths_limit > 1 else 0

    @property
    def delivery_pauses(self) -> Pauses:
        """How long a delivery waits after each try, and how often it is tried."""
        return Pauses(
            first_seconds=self.delivery_first_pause_seconds,
            longest_seconds=self.delivery_longest_pause_seconds,
            total_hours=self.delivery_hours,
        )

    @property
    def retention(self) -> Retention:
        """How long jobs are kept."""
        return Retention(
            timedelta(hours=self.keep_delivered_hours),
            timedelta(hours=self.keep_ended_hours),
            timedelta(seconds=self.orphan_seconds),
        )

    @property
    def own_url(self) -> str:
        """Where this machine reaches the HTTP server."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls_cert else 'http'}://{host}:{self.port}"

    def require_redis_url(self) -> str:
        """URL of the queue, where there must be one."""
        if self.redis_url is None:
            raise MissingSettingError(
                "OARLOCK_REDIS_URL is not set: set it to the Redis that the server uses, or run "
                "`oarlock serve`, which starts one of its own."
            )
        return self.redis_url

    @property
    def sql_url(self) -> str:
        """URL of the jobs' database; `postgresql://` means the psycopg driver."""
        if self.database_url is None:
            return f"sqlite:///{self.data.resolve() / 'oarlock.sqlite'}"
        scheme, _, rest = self.database_url.partition("://")
        return f"postgresql+psycopg://{rest}" if scheme == "postgresql" else self.database_url
