"""Models, templates and files of settings that cannot be used."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from contouring.errors.root import OarlockError


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


class RuntimeUnavailableError(ModelError):
    """A runtime that a worker cannot use."""

    code = "runtime-unavailable"


class RuntimeMissingError(RuntimeUnavailableError):
    """One that is not installed; `extra`: with which part of the package it comes."""

    code = "runtime-missing"

    def __init__(self, name: str, extra: str) -> None:
        self.name, self.extra = name, extra
        super().__init__(
            f"The runtime {name} is not installed: run pip install 'oarlock[{extra}]', or have "
            "OARLOCK_RUNTIME name another; oarlock doctor shows which can be used."
        )


class UnusableRuntimeError(RuntimeUnavailableError):
    """One that is installed, and does not work here."""

    code = "runtime-unusable"

    def __init__(self, name: str, fault: str) -> None:
        self.name, self.fault = name, fault
        super().__init__(
            f"The runtime {name} is installed but cannot be used: {fault} oarlock doctor shows "
            "which can."
        )


class EngineMissingError(UnusableRuntimeError):
    """One that runs engines, and has none for this network on this machine; none is built here."""

    code = "engine-missing"

    def __init__(self, name: str, artifact: str, fault: str) -> None:
        self.artifact = artifact
        super().__init__(
            name, f"{fault} for {artifact}: run oarlock engines build --runtime {name}."
        )


class EngineBuildError(ModelError):
    """A graph that a runtime could not make an engine of; `fault`: in its own words."""

    code = "engine-build-failed"

    def __init__(self, name: str, artifact: str, fault: str) -> None:
        self.name, self.artifact, self.fault = name, artifact, fault
        super().__init__(f"No {name} engine could be built of {artifact}: {fault}")


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


class ConfigurationError(OarlockError):
    """A site's own configuration that cannot be used."""

    code = "configuration-error"


class InvalidConfigurationError(ConfigurationError):
    """A configuration file that is wrong; `faults`: a sentence for each, with its line."""

    code = "invalid-configuration"

    def __init__(self, file: Path, faults: Sequence[str]) -> None:
        self.file, self.faults = file, tuple(faults)
        super().__init__(f"{file} cannot be used: {' '.join(faults)}")


class UnsafeStartError(ConfigurationError):
    """A server that others could reach, and that is not safe so; `faults`: what it lacks."""

    code = "unsafe-start"

    def __init__(self, host: str, faults: Sequence[str]) -> None:
        self.host, self.faults = host, tuple(faults)
        super().__init__(f"Nothing listens on {host}, which others reach: {' '.join(faults)}")
