"""What `scripts/bundle` made installs where there is no network, or says what is wrong with it.

`make offline` does it with the real wheels, and contours a phantom.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import zipfile
from pathlib import Path

import pytest


def write_wheel(folder: Path, name: str, code: str, requires: str = "") -> Path:
    """The smallest that pip takes."""
    path = folder / f"{name}-1.0-py3-none-any.whl"
    about = f"{name}-1.0.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
    if requires:
        metadata += f"Requires-Dist: {requires}\n"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{name}.py", code)
        wheel.writestr(f"{about}/METADATA", metadata)
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")
    return path


def write_sums(bundle: Path) -> None:
    """As the script does, last."""
    files = sorted(path for path in bundle.rglob("*") if path.is_file())
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(bundle)}\n"
        for path in files
        if path.name != "SHA256SUMS"
    ]
    (bundle / "SHA256SUMS").write_text("".join(lines))


@pytest.fixture
def bundle(repository: Path, tmp_path: Path) -> Path:
    """One of two wheels: the project's, and what it needs."""
    bundle = tmp_path / "bundle"
    (bundle / "wheels").mkdir(parents=True)
    (bundle / "requirements").mkdir()
    needed = write_wheel(bundle / "wheels", "needed", "WORD = 'whole'\n")
    write_wheel(bundle, "oarlock", "import needed\n", requires="needed")
    digest = hashlib.sha256(needed.read_bytes()).hexdigest()
    (bundle / "requirements" / "locked.txt").write_text(f"needed==1.0 --hash=sha256:{digest}\n")
    (bundle / "install").write_bytes((repository / "scripts" / "install-bundle").read_bytes())
    (bundle / "install").chmod(0o755)
    write_sums(bundle)
    return bundle


def install(bundle: Path, place: Path) -> subprocess.CompletedProcess[str]:
    """Where there is no network at all."""
    alone = ["unshare", "--net"] if os.getuid() == 0 else ["unshare", "--net", "--map-root-user"]
    if subprocess.run([*alone, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no network namespace can be made here: run as root")
    return subprocess.run(
        [*alone, bundle / "install", place], capture_output=True, text=True, check=False
    )


def test_a_bundle_installs_without_a_network(bundle: Path, tmp_path: Path) -> None:
    """A hospital's server has none."""
    done = install(bundle, tmp_path / "place")

    assert done.returncode == 0, done.stderr
    said = subprocess.run(
        [tmp_path / "place" / "bin" / "python", "-c", "import oarlock; print(oarlock.needed.WORD)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip() == "whole"


@pytest.mark.parametrize("name", ["wheels/needed-1.0-py3-none-any.whl", "requirements/locked.txt"])
def test_a_bundle_that_was_damaged_on_its_way_is_refused(
    bundle: Path, tmp_path: Path, name: str
) -> None:
    """Before anything is installed."""
    content = (bundle / name).read_bytes()
    (bundle / name).write_bytes(content[:20] + bytes([content[20] ^ 1]) + content[21:])

    done = install(bundle, tmp_path / "place")

    assert done.returncode == 2
    assert "the bundle is damaged" in done.stderr
    assert not (tmp_path / "place").exists()


def test_a_wheel_that_the_lock_does_not_know_is_refused(bundle: Path, tmp_path: Path) -> None:
    """Also where the list of the bundle was written anew."""
    write_wheel(bundle / "wheels", "needed", "WORD = 'another'\n")
    write_sums(bundle)

    done = install(bundle, tmp_path / "place")

    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr


def test_a_place_that_is_taken_is_left_alone(bundle: Path, tmp_path: Path) -> None:
    """Something may be running from it."""
    (tmp_path / "place").mkdir()

    done = install(bundle, tmp_path / "place")

    assert done.returncode == 2
    assert "is there already" in done.stderr
    assert list((tmp_path / "place").iterdir()) == []


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "usage: scripts/bundle FOLDER"),
        (["--help"], "usage: scripts/bundle FOLDER"),
        (["new", "service-gpu"], "there is no target service-gpu"),
        (["tests"], "is not empty"),
    ],
)
def test_a_bundle_is_not_begun_with_words_that_are_wrong(
    repository: Path, words: list[str], reason: str
) -> None:
    """A typing error must not cost minutes."""
    done = subprocess.run(
        [repository / "scripts" / "bundle", *words],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert reason in done.stderr
    assert not (repository / "new").exists()
