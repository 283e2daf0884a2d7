"""The locks of the images hold what pyproject.toml asks for, and nothing without a hash."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# The extras that each image installs.
TARGETS = {
    "service": ("deidentify",),
    "worker": ("cpu", "seg"),
    "worker-gpu": ("gpu", "seg"),
    "worker-gpu-tensorrt": ("gpu", "seg", "tensorrt"),
}
ENTRY = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==(\S+)((?: --hash=sha256:[0-9a-f]{64})+)")


@pytest.fixture(scope="module")
def project(repository: Path) -> dict[str, Any]:
    return tomllib.loads((repository / "pyproject.toml").read_text())


def read_lock(path: Path) -> dict[str, str]:
    """Version of each package; every line must be one."""
    joined = path.read_text().replace("\\\n", " ")
    lines = [re.sub(r"\s+", " ", line).strip() for line in joined.splitlines()]
    entries = [line for line in lines if line and not line.startswith("#")]
    matches = [ENTRY.fullmatch(entry) for entry in entries]
    assert all(matches), [e for e, m in zip(entries, matches, strict=True) if m is None]
    return {canonicalize_name(match[1]): match[2] for match in matches if match}


def find_wanting(lock: dict[str, str], wanted: list[str]) -> list[str]:
    """Requirements that a lock does not meet."""
    parsed = [Requirement(text) for text in wanted]
    return [
        str(one)
        for one in parsed
        if lock.get(canonicalize_name(one.name), "none") not in one.specifier
    ]


@pytest.mark.parametrize("target", TARGETS)
def test_a_lock_meets_what_the_project_asks_for(
    repository: Path, project: dict[str, Any], target: str
) -> None:
    """An image of other versions than the tests ran with is another program."""
    declared = project["project"]
    extras = [declared["optional-dependencies"][extra] for extra in TARGETS[target]]
    wanted = [*declared["dependencies"], *(text for extra in extras for text in extra)]

    lock = read_lock(repository / "requirements" / f"{target}.txt")

    assert find_wanting(lock, wanted) == []


def test_a_lock_that_is_behind_is_noticed() -> None:
    """Or the test above could not fail."""
    lock = {"numpy": "2.0.0", "rich": "14.1"}

    assert find_wanting(lock, ["numpy>=2.2", "scipy>=1", "rich>=14"]) == ["numpy>=2.2", "scipy>=1"]


def test_the_lock_of_the_build_meets_what_the_build_asks_for(
    repository: Path, project: dict[str, Any]
) -> None:
    """It is installed without an isolated environment, which would fetch without hashes."""
    wanted = project["build-system"]["requires"]
    written = (repository / "requirements" / "build.in").read_text().splitlines()

    assert [line for line in written if not line.startswith("#")] == wanted
    assert find_wanting(read_lock(repository / "requirements" / "build.txt"), wanted) == []


def test_the_images_agree_on_what_they_share(repository: Path) -> None:
    """Service and worker read each other's messages and rows."""
    locks = [read_lock(repository / "requirements" / f"{target}.txt") for target in TARGETS]

    differing = {
        name: versions
        for name in set().union(*locks)
        if len(versions := {lock[name] for lock in locks if name in lock}) > 1
    }

    assert differing == {}


def test_the_three_parts_of_tensorrt_are_of_one_version(repository: Path) -> None:
    """Its bindings load the libraries beside them, whichever these are."""
    lock = read_lock(repository / "requirements" / "worker-gpu-tensorrt.txt")

    versions = {version for name, version in lock.items() if name.startswith("tensorrt-cu13")}

    assert len(versions) == 1


def test_no_lock_names_an_index(repository: Path) -> None:
    """A site installs from its own mirror; an address in a file would be asked beside it."""
    named = [
        path.name
        for path in (repository / "requirements").iterdir()
        if re.search(r"://|index-url|find-links|trusted-host", path.read_text())
    ]

    assert named == []


def test_the_service_s_lock_holds_no_runtime(repository: Path) -> None:
    """Nothing that it asks for may bring one, either."""
    lock = read_lock(repository / "requirements" / "service.txt")

    assert {"onnxruntime", "onnxruntime-gpu", "openvino", "torch"}.isdisjoint(lock)


def test_a_bill_of_materials_holds_what_its_lock_holds(repository: Path, tmp_path: Path) -> None:
    """With its hashes."""
    command = [repository / "scripts" / "sbom", tmp_path]
    subprocess.run(command, check=True, capture_output=True)

    for target in TARGETS:
        bill = json.loads((tmp_path / f"{target}.cdx.json").read_text())
        parts = {canonicalize_name(one["name"]): one["version"] for one in bill["components"]}
        assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
        assert bill["metadata"]["component"]["name"] == "oarlock"
        assert parts == read_lock(repository / "requirements" / f"{target}.txt")
        assert all("SHA-256" in json.dumps(one) for one in bill["components"])
