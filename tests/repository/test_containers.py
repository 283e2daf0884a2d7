"""The images and their composition are valid, and the service's image holds no runtime."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.app import COMMANDS

RUNTIMES = {"onnxruntime", "onnxruntime-gpu", "tensorrt-cu13", "torch", "monai"}


@pytest.fixture
def project(repository: Path) -> dict[str, Any]:
    return tomllib.loads((repository / "pyproject.toml").read_text())["project"]


def test_the_dockerfile_has_no_fault_that_hadolint_knows(
    repository: Path, find_tool: Callable[[str], str]
) -> None:
    """No container engine is needed to see most mistakes."""
    hadolint = find_tool("hadolint")

    result = subprocess.run(
        [hadolint, repository / "Dockerfile"], capture_output=True, text=True, check=False
    )

    assert (result.returncode, result.stdout) == (0, "")


def test_the_composition_is_valid_and_complete(
    repository: Path, find_tool: Callable[[str], str]
) -> None:
    """One file runs service, DICOM node, both kinds of worker, the queue and the database."""
    environment = {**os.environ, "POSTGRES_PASSWORD": "secret"}

    result = _compose(find_tool, repository, environment, "--profile", "gpu", "config")
    services = yaml.safe_load(result.stdout)["services"]

    assert set(services) == {"service", "dimse", "worker", "worker-gpu", "redis", "postgres"}
    assert all(services[name]["restart"] == "unless-stopped" for name in services)


def test_the_composition_refuses_to_start_without_a_password(
    repository: Path, find_tool: Callable[[str], str]
) -> None:
    """A default password would be everybody's password."""
    environment = {k: v for k, v in os.environ.items() if k != "POSTGRES_PASSWORD"}

    result = _compose(find_tool, repository, environment, "config")

    assert result.returncode != 0
    assert "POSTGRES_PASSWORD" in result.stderr


def test_the_composition_is_reached_from_this_machine_only(repository: Path) -> None:
    """There is no login yet, so opening it to a network must be a site's own decision."""
    composition = yaml.safe_load((repository / "docker-compose.yml").read_text())

    ports = [
        port for service in composition["services"].values() for port in service.get("ports", [])
    ]

    assert ports == [
        "${PUBLISH_ADDRESS:-127.0.0.1}:${PUBLISH_PORT:-8042}:8042",
        "${PUBLISH_ADDRESS:-127.0.0.1}:${PUBLISH_DICOM_PORT:-11112}:11112",
    ]


def test_every_target_of_the_composition_is_in_the_dockerfile(repository: Path) -> None:
    """Compose would find a misspelt target only when it builds."""
    stages = set(re.findall(r" AS ([\w-]+)", (repository / "Dockerfile").read_text()))
    composition = yaml.safe_load((repository / "docker-compose.yml").read_text())

    targets = {s["build"]["target"] for s in composition["services"].values() if "build" in s}

    assert targets
    assert targets <= stages


def test_every_image_starts_something_that_exists(repository: Path) -> None:
    """A renamed command would otherwise be missed until a container starts."""
    lines = re.findall(r"^CMD (.+)$", (repository / "Dockerfile").read_text(), re.MULTILINE)

    started = [json.loads(line) for line in lines]

    assert {words[0] for words in started} == {"oarlock"}
    assert {tuple(words[1:]) for words in started} == {("worker",), ("service",)}
    assert {words[1] for words in started} <= COMMANDS.keys()


def test_the_service_installs_no_runtime(project: dict[str, Any]) -> None:
    """Its image is built from the plain dependencies, which must stay free of runtimes."""
    assert RUNTIMES.isdisjoint(_names(project["dependencies"]))


def test_no_extra_brings_both_kinds_of_onnx_runtime(project: dict[str, Any]) -> None:
    """The two distributions write the same files, and the last one installed wins."""
    both = {"onnxruntime", "onnxruntime-gpu"}

    extras = project["optional-dependencies"]

    assert [name for name, wanted in extras.items() if both <= _names(wanted)] == []


def _compose(
    find_tool: Callable[[str], str], repository: Path, environment: dict[str, str], *words: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [find_tool("docker-compose"), *words],
        cwd=repository,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def _names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0] for requirement in requirements}
