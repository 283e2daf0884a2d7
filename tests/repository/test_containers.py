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
from workers.access_settings import AccessSettings
from workers.limits import Limits
from workers.settings import Settings

ENCRYPTION = "encryption_key_file"
NOT_FOR_CONTAINERS = {"key": "what `oarlock submit` shows a server: a client's, not the server's"}
SET_BY_THE_COMPOSITION = {
    "dimse_host": "all addresses of its container",
    "dimse_port": "the one that is published",
}
ReadServices = Callable[..., dict[str, Any]]
RUNTIMES = {"onnxruntime", "onnxruntime-gpu", "tensorrt-cu13", "torch", "monai"}


@pytest.fixture
def project(repository: Path) -> dict[str, Any]:
    return tomllib.loads((repository / "pyproject.toml").read_text())["project"]


@pytest.fixture
def read_services(repository: Path, find_tool: Callable[[str], str]) -> ReadServices:
    """What the composition comes to, service by service, with variables besides the password."""

    def read(**variables: str) -> dict[str, Any]:
        environment = {**os.environ, **variables, "POSTGRES_PASSWORD": "secret"}
        result = _compose(find_tool, repository, environment, "--profile", "*", "config")
        services: dict[str, Any] = yaml.safe_load(result.stdout)["services"]
        return services

    return read


def test_the_dockerfile_has_no_fault_that_hadolint_knows(
    repository: Path, find_tool: Callable[[str], str]
) -> None:
    """No container engine is needed to see most mistakes."""
    hadolint = find_tool("hadolint")

    result = subprocess.run(
        [hadolint, repository / "Dockerfile"], capture_output=True, text=True, check=False
    )

    assert (result.returncode, result.stdout) == (0, "")


def test_the_composition_is_valid_and_complete(read_services: ReadServices) -> None:
    """One file runs service, DICOM node, both kinds of worker, the queue and the database."""
    services = read_services()

    assert set(services) == {"service", "dimse", "worker", "worker-gpu", "redis", "postgres"}
    assert all(services[name]["restart"] == "unless-stopped" for name in services)


def test_no_setting_of_security_is_dropped_on_the_way_to_a_container(
    read_services: ReadServices,
) -> None:
    """A site that sets one would believe that it holds."""
    audited = {n for n in Settings.model_fields if n.startswith("audit_")}
    everywhere = {*Limits.model_fields, *audited}
    hiding = {"deidentify", "identity_key_file", "staging"}  # the key is not for workers
    of_node = {n for n in Settings.model_fields if n.startswith("dimse_")}
    wanted = {
        "service": {*everywhere, *AccessSettings.model_fields, "model_keys", "log_format"}
        - set(NOT_FOR_CONTAINERS)
        | {ENCRYPTION, *hiding},
        "dimse": {*everywhere, *of_node, ENCRYPTION, *hiding} - set(SET_BY_THE_COMPOSITION),
        "worker": {*everywhere, "model_keys", ENCRYPTION},
    }
    values = {f"OARLOCK_{name.upper()}": f"our-{name}" for name in set().union(*wanted.values())}

    services = read_services(**values)

    for service, names in wanted.items():
        found = services[service]["environment"]
        dropped = [n for n in names if found.get(f"OARLOCK_{n.upper()}") != f"our-{n}"]
        assert dropped == [], service
    for service in ("worker", "worker-gpu"):
        keys = {f"OARLOCK_{name.upper()}" for name in hiding}
        assert keys.isdisjoint(services[service]["environment"]), service


def test_no_worker_has_the_volume_of_the_identities_key(read_services: ReadServices) -> None:
    """Service and DICOM node share it: what one hides, the other restores."""
    services = read_services()

    targets = {
        name: {_find_target(volume) for volume in service["volumes"]}
        for name, service in services.items()
    }

    shared = {"/data", "/models", "/templates", "/config"}
    assert targets["worker"] == targets["worker-gpu"] == shared
    assert targets["service"] == targets["dimse"] == {*shared, "/own"}


def test_a_setting_that_a_site_leaves_out_is_unset_in_a_container(
    read_services: ReadServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The composition passes it on empty."""
    for name in [name for name in os.environ if name.startswith("OARLOCK_")]:
        monkeypatch.delenv(name)
    services = read_services()

    for name in ("service", "dimse", "worker"):
        for key, value in services[name]["environment"].items():
            monkeypatch.setenv(key, value or "")
        settings = Settings()

        parts = [
            *(*AccessSettings.model_fields, *Limits.model_fields),
            *(("deidentify", "identity_key_file", "staging") if name != "worker" else ()),
            *("audit_collector", "audit_keep_days", "model_keys", "dimse_associations"),
        ]
        left = {field: Settings.model_fields[field].default for field in parts}
        assert {field: getattr(settings, field) for field in parts} == left, name


def test_every_container_is_confined(read_services: ReadServices) -> None:
    """No rights beyond its user's, none to gain, and no file to change but those of its volumes."""
    services = read_services()

    assert len(services) == 6
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not {"cap_add", "privileged", "network_mode", "pid", "ipc"} & set(service), name
        assert any(one.startswith("/tmp:rw,nosuid,nodev,noexec,") for one in service["tmpfs"]), name
    assert {name: services[name].get("user") for name in ("redis", "postgres")} == {
        "redis": "redis",
        "postgres": "postgres",
    }


def test_every_image_of_ours_ends_as_a_user_without_rights(repository: Path) -> None:
    """A root in a container is one fault of the kernel away from a root outside."""
    users: dict[str, str] = {}
    stage = ""
    for line in (repository / "Dockerfile").read_text().splitlines():
        if match := re.match(r"FROM (\S+) AS (\S+)", line):
            stage = match[2]
            users[stage] = users.get(match[1], "root")
        elif line.startswith("USER "):
            users[stage] = line.split()[1]

    assert {users[target] for target in ("service", "worker", "worker-gpu")} == {"10001"}


def test_what_an_image_runs_writes_for_its_user_alone(repository: Path, tmp_path: Path) -> None:
    """Whatever the command: uvicorn has no umask of its own."""
    text = (repository / "Dockerfile").read_text()
    (entry,) = re.findall(r"^ENTRYPOINT (.+)$", text, re.MULTILINE)

    written = tmp_path / "written by 'one' $HOME"
    subprocess.run([*json.loads(entry), "touch", written], check=True)

    assert written.stat().st_mode & 0o777 == 0o600


def test_what_an_image_installs_is_compared_with_its_hash(repository: Path) -> None:
    """Whatever an index answers: not one file that scripts/lock has not seen."""
    lines = (repository / "Dockerfile").read_text().splitlines()

    installs = [line for line in lines if re.search(r"\bpip (install|wheel)\b", line)]
    unchecked = [
        line
        for line in installs
        if "--no-deps" not in line or not ("--require-hashes" in line or "--no-index" in line)
    ]

    assert len(installs) == 8
    assert unchecked == []


def test_the_composition_refuses_to_start_without_a_password(
    repository: Path, find_tool: Callable[[str], str]
) -> None:
    """A default password would be everybody's password."""
    environment = {k: v for k, v in os.environ.items() if k != "POSTGRES_PASSWORD"}

    result = _compose(find_tool, repository, environment, "config")

    assert result.returncode != 0
    assert "POSTGRES_PASSWORD" in result.stderr


def test_the_composition_is_reached_from_this_machine_only(repository: Path) -> None:
    """Opening it to a network must be a site's own decision."""
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

    assert {tuple(words) for words in started} == {("oarlock", "worker"), ("oarlock", "service")}
    assert {words[1] for words in started} <= set(COMMANDS)


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


def _find_target(volume: str | dict[str, str]) -> str:
    """Where a volume is mounted; the older docker-compose prints `name:/target:rw`."""
    return volume.split(":")[1] if isinstance(volume, str) else volume["target"]
