"""`oarlock models` lists, signs and verifies."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.cli.shell import run
from tests.models.bundle_files import write_bundle


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A private key, with its public half beside it, by OpenSSL."""
    path = tmp_path / "key.pem"
    for words in (
        ["openssl", "genpkey", "-algorithm", "ed25519", "-out", path],
        ["openssl", "pkey", "-in", path, "-pubout", "-out", path.with_name("public.pem")],
    ):
        subprocess.run(words, check=True, capture_output=True)
    return path


def test_the_released_models_are_listed() -> None:
    """Also with no word behind it, as ever."""
    done = run("models", COLUMNS="200")

    assert done.returncode == 0, done.stderr
    assert "hn-oar (default)" in done.stdout


def test_a_model_that_was_signed_is_served_and_another_is_not(tmp_path: Path, key: Path) -> None:
    """The whole way of a site's own model."""
    folder = write_bundle(tmp_path / "mine" / "plain")
    site = {
        "OARLOCK_MODELS": str(tmp_path / "mine"),
        "OARLOCK_MODEL_KEYS": str(key.with_name("public.pem")),
    }

    before = run("models", **site)
    signed = run("models", "sign", folder, "--key", key)
    after = run("models", COLUMNS="200", **site)
    verified = run("models", "verify", folder, **site)
    (folder / "card.sig").write_bytes(bytes(64))
    spoilt = run("models", "verify", folder, **site)

    assert before.returncode != 0
    assert "not signed" in before.stderr
    assert signed.returncode == 0, signed.stderr
    assert "plain" in after.stdout
    assert "signed by a key that is trusted" in verified.stdout
    assert spoilt.returncode != 0
    assert "none of the keys" in spoilt.stderr


def test_a_damaged_model_is_not_signed(tmp_path: Path, key: Path) -> None:
    """A signature says that somebody has looked."""
    folder = write_bundle(tmp_path / "plain")
    (folder / "net.onnx").write_bytes(b"other")

    done = run("models", "sign", folder, "--key", key)

    assert done.returncode != 0
    assert not (folder / "card.sig").exists()


def test_a_server_does_not_start_with_a_model_that_nobody_signed(tmp_path: Path, key: Path) -> None:
    """Neither the whole server nor a worker of its own."""
    write_bundle(tmp_path / "mine" / "plain")

    done = run(
        "serve",
        OARLOCK_DATA=str(tmp_path / "data"),
        OARLOCK_MODELS=str(tmp_path / "mine"),
        OARLOCK_MODEL_KEYS=str(key.with_name("public.pem")),
    )

    assert done.returncode != 0
    assert "not signed" in done.stderr
