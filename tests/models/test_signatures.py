"""A bundle is used as it was signed, byte by byte, or not at all."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from contouring.errors import InvalidBundleError, InvalidConfigurationError, ModelChangedError
from models.bundles import CARD, RELEASED, find_bundles, read_bundle
from models.cascades import open_cascade
from models.signatures import SIGNATURE, read_private_key, read_trusted_keys, sign
from tests.models.bundle_files import write_bundle
from workers.predictors import Predictors


@pytest.fixture
def private() -> Ed25519PrivateKey:
    """The key of whoever looks models through."""
    return Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


@pytest.fixture
def keys(tmp_path: Path, private: Ed25519PrivateKey) -> Path:
    """The folder of public keys that a site trusts."""
    folder = tmp_path / "keys"
    folder.mkdir()
    (folder / "physics.pem").write_bytes(public_pem(private))
    return folder


def public_pem(private: Ed25519PrivateKey) -> bytes:
    """As `openssl pkey -pubout` writes it."""
    return private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def private_pem(private: Ed25519PrivateKey) -> bytes:
    """As `openssl genpkey` writes it."""
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def signed_bundle(folder: Path, private: Ed25519PrivateKey) -> Path:
    """A bundle with its signature."""
    write_bundle(folder)
    (folder / SIGNATURE).write_bytes(sign((folder / CARD).read_bytes(), private))
    return folder


def flip(content: bytes, place: int) -> bytes:
    """One bit of one byte changed."""
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@pytest.mark.parametrize("name", [CARD, SIGNATURE, "net.onnx"])
def test_a_byte_that_was_changed_is_noticed_wherever_it_is(
    tmp_path: Path, private: Ed25519PrivateKey, name: str
) -> None:
    """Every byte of every file of a signed bundle, one after the other."""
    folder = signed_bundle(tmp_path / "plain", private)
    trusted = (private.public_key(),)
    content = (folder / name).read_bytes()
    read_bundle(folder, trusted)

    unnoticed = []
    for place in range(len(content)):
        (folder / name).write_bytes(flip(content, place))
        try:
            read_bundle(folder, trusted)
        except InvalidBundleError:
            continue
        unnoticed.append(place)

    assert len(content) >= 64
    assert unnoticed == []


def test_a_changed_byte_of_the_released_networks_is_noticed(tmp_path: Path) -> None:
    """At the ends and in the middle of each; a file of theirs has millions."""
    networks = sorted(RELEASED.glob("*/*.onnx"))
    for network in networks:
        folder = tmp_path / network.parent.name
        shutil.copytree(network.parent, folder, dirs_exist_ok=True)
        content = network.read_bytes()
        for place in (0, len(content) // 3, len(content) // 2, len(content) - 1):
            (folder / network.name).write_bytes(flip(content, place))
            with pytest.raises(InvalidBundleError, match=f"{network.name} has the sha256"):
                read_bundle(folder)
        (folder / network.name).write_bytes(content)
        read_bundle(folder)

    assert len(networks) >= 4


def test_a_network_that_changes_after_the_bundle_was_found_is_not_opened(tmp_path: Path) -> None:
    """The very bytes that a runtime gets are compared, not what was read a while ago."""
    bundle = read_bundle(write_bundle(tmp_path / "plain"))
    network = bundle.folder / "net.onnx"
    network.write_bytes(flip(network.read_bytes(), 40))

    with pytest.raises(InvalidBundleError, match=r"net\.onnx has the sha256"):
        open_cascade(bundle, threads=1)


def test_without_keys_a_signature_is_not_asked_for(tmp_path: Path) -> None:
    """It is each site's choice."""
    write_bundle(tmp_path / "plain")

    assert set(find_bundles([tmp_path])) == {"plain"}


def test_with_keys_a_site_s_own_unsigned_model_is_refused(tmp_path: Path, keys: Path) -> None:
    """The released ones came with the very code that asks."""
    write_bundle(tmp_path / "mine" / "plain")

    with pytest.raises(InvalidBundleError, match=r"not signed \(card\.sig is missing\)"):
        find_bundles([RELEASED, tmp_path / "mine"], keys)

    assert "hn-oar" in find_bundles([RELEASED], keys)


def test_a_signature_of_a_stranger_is_refused(
    tmp_path: Path, private: Ed25519PrivateKey, keys: Path
) -> None:
    """Anybody can make a key."""
    signed_bundle(tmp_path / "known" / "plain", private)
    signed_bundle(tmp_path / "strange" / "plain", Ed25519PrivateKey.generate())

    assert set(find_bundles([tmp_path / "known"], keys)) == {"plain"}
    with pytest.raises(InvalidBundleError, match="none of the keys"):
        find_bundles([tmp_path / "strange"], keys)


def test_a_signature_is_good_for_its_own_card_alone(
    tmp_path: Path, private: Ed25519PrivateKey
) -> None:
    """Another version's could be put beside it."""
    signed = signed_bundle(tmp_path / "one", private)
    other = write_bundle(tmp_path / "two", spoil=lambda card: card.update(version="1.0.1"))
    shutil.copy(signed / SIGNATURE, other / SIGNATURE)

    with pytest.raises(InvalidBundleError, match="its card was changed"):
        read_bundle(other, (private.public_key(),))


def test_a_worker_looks_at_the_signature_before_each_opening(
    tmp_path: Path, private: Ed25519PrivateKey, keys: Path
) -> None:
    """A model may be exchanged under a server that runs for months."""
    folder = signed_bundle(tmp_path / "mine" / "plain", private)
    checksum = read_bundle(folder).checksum
    predictors = Predictors((tmp_path / "mine",), threads=1, keys=keys)
    predictors.open("plain", checksum)
    predictors.close_all()
    (folder / SIGNATURE).write_bytes(flip((folder / SIGNATURE).read_bytes(), 10))

    with pytest.raises(InvalidBundleError, match="none of the keys"):
        predictors.open("plain", checksum)


def test_a_card_that_is_exchanged_with_its_network_is_another_model(tmp_path: Path) -> None:
    """Also without keys: a job runs the bytes that it was accepted for, whose hash it carries."""
    folder = write_bundle(tmp_path / "mine" / "plain")
    checksum = read_bundle(folder).checksum
    shutil.rmtree(folder)
    write_bundle(folder, spoil=lambda card: card.update(version="1.0.1"))

    with pytest.raises(ModelChangedError):
        Predictors((tmp_path / "mine",), threads=1).open("plain", checksum)


@pytest.mark.parametrize("form", ["file", "file of two", "folder"])
def test_keys_are_read_from_a_file_or_a_folder(
    tmp_path: Path, private: Ed25519PrivateKey, form: str
) -> None:
    """While keys are rotated, two are good."""
    folder = signed_bundle(tmp_path / "plain", private)
    other, own = public_pem(Ed25519PrivateKey.generate()), public_pem(private)
    keys = tmp_path / "keys"
    if form == "folder":
        keys.mkdir()
        (keys / "a.pem").write_bytes(other)
        (keys / "b.pem").write_bytes(own)
        (keys / "README").write_text("Who holds which.")
    else:
        keys.write_bytes(own if form == "file" else other + own)

    assert read_bundle(folder, read_trusted_keys(keys)).card.name == "plain"


def ecdsa_pem() -> bytes:
    """A public key of another kind."""
    key = generate_private_key(SECP256R1()).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "holds no key"),
        (b"not a key", "holds no key"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "besides public"),
        (ecdsa_pem(), "besides public"),
        (private_pem(Ed25519PrivateKey.generate()), "besides public"),
    ],
    ids=["empty", "rubbish", "broken", "another kind", "private"],
)
def test_a_file_that_is_no_list_of_keys_is_a_wrong_setting(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    """Nothing would be trusted, or more than was meant."""
    (tmp_path / "keys.pem").write_bytes(content)

    with pytest.raises(InvalidConfigurationError, match=reason):
        read_trusted_keys(tmp_path / "keys.pem")


def test_a_folder_without_keys_and_a_path_to_nothing_are_wrong_settings(tmp_path: Path) -> None:
    """An empty folder must not mean that everybody is trusted."""
    for path, reason in ((tmp_path, "holds no key"), (tmp_path / "none", "cannot be read")):
        with pytest.raises(InvalidConfigurationError, match=reason):
            read_trusted_keys(path)


@pytest.mark.parametrize("content", [b"", b"rubbish", ecdsa_pem()])
def test_only_a_private_ed25519_key_signs(tmp_path: Path, content: bytes) -> None:
    """A public one by mistake, say."""
    (tmp_path / "key.pem").write_bytes(content)

    with pytest.raises(InvalidConfigurationError, match="no private ed25519 key"):
        read_private_key(tmp_path / "key.pem")


def test_openssl_makes_the_keys_and_verifies_the_signature(tmp_path: Path) -> None:
    """Nobody needs Oarlock to see who signed."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    folder = write_bundle(tmp_path / "plain")
    key, public = tmp_path / "key.pem", tmp_path / "public.pem"
    _run(openssl, "genpkey", "-algorithm", "ed25519", "-out", key)
    _run(openssl, "pkey", "-in", key, "-pubout", "-out", public)

    (folder / SIGNATURE).write_bytes(sign((folder / CARD).read_bytes(), read_private_key(key)))

    read_bundle(folder, read_trusted_keys(public))
    verify = ["pkeyutl", "-verify", "-pubin", "-inkey", public, "-rawin", "-in", folder / CARD]
    assert "Success" in _run(openssl, *verify, "-sigfile", folder / SIGNATURE)


def _run(*words: str | Path) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout
