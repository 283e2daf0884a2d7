"""Bundles: found by name, verified before they are used."""

from __future__ import annotations

from pathlib import Path

import pytest

from contouring.errors import InvalidBundleError, UnknownModelError
from models.bundles import RELEASED, find_bundles, pick_bundle, read_bundle
from tests.models.bundle_files import write_bundle


def test_a_bundle_is_its_card_and_a_checksum_over_it(tmp_path: Path) -> None:
    """The card names its artifacts' checksums, so one checksum stands for all."""
    first = read_bundle(write_bundle(tmp_path / "a"))
    same = read_bundle(write_bundle(tmp_path / "b"))
    other = read_bundle(write_bundle(tmp_path / "c", spoil=lambda c: c.update(version="1.0.1")))

    assert first.card.name == "plain"
    assert first.checksum == same.checksum
    assert other.checksum != first.checksum


def test_bundles_are_found_below_several_folders_by_the_card_s_name(tmp_path: Path) -> None:
    """A department's own models stand beside the released ones."""
    write_bundle(tmp_path / "mine" / "folder-name", spoil=lambda c: c.update(name="own-model"))
    (tmp_path / "mine" / "no-bundle").mkdir()

    found = find_bundles([RELEASED, tmp_path / "mine"])

    assert {"commissioning", "own-model"} <= set(found)
    assert found["own-model"].folder == tmp_path / "mine" / "folder-name"


def test_of_two_bundles_with_one_name_the_first_folder_s_wins(tmp_path: Path) -> None:
    """A copy cannot take the place of a released model."""
    write_bundle(tmp_path / "first" / "plain")
    write_bundle(tmp_path / "second" / "plain", spoil=lambda c: c.update(version="9.0.0"))

    found = find_bundles([tmp_path / "first", tmp_path / "second"])

    assert found["plain"].card.version == "1.0.0"


def test_an_unknown_model_is_refused_with_those_there_are(tmp_path: Path) -> None:
    """A typing error should cost one look."""
    write_bundle(tmp_path / "plain")

    with pytest.raises(UnknownModelError, match="plain"):
        pick_bundle(find_bundles([tmp_path]), "plane")


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """A path with a typing error must not look like a folder without models."""
    with pytest.raises(InvalidBundleError, match="no such folder"):
        find_bundles([tmp_path / "nowhere"])


def test_changed_weights_are_refused(tmp_path: Path) -> None:
    """One byte of a network may move every contour."""
    folder = write_bundle(tmp_path / "plain")
    content = (folder / "net.onnx").read_bytes()
    read_bundle(folder)
    (folder / "net.onnx").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))

    with pytest.raises(InvalidBundleError, match=r"net\.onnx has the sha256"):
        read_bundle(folder)


def test_missing_weights_are_refused_by_name(tmp_path: Path) -> None:
    """A copy that broke off."""
    folder = write_bundle(tmp_path / "plain")
    (folder / "net.onnx").unlink()

    with pytest.raises(InvalidBundleError, match=r"net\.onnx is missing"):
        read_bundle(folder)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"name: [", "not YAML"),
        (b"\xff\xfe\x00", "not YAML"),
        (b"", "the card"),
        (b"- a\n- b\n", "the card"),
        (b"format: 1\nname: plain\n", "version"),
    ],
)
def test_a_card_that_is_none_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    """With the folder and the place of the fault."""
    folder = write_bundle(tmp_path / "plain")
    (folder / "card.yaml").write_bytes(content)

    with pytest.raises(InvalidBundleError, match=reason) as refusal:
        read_bundle(folder)

    assert "plain" in str(refusal.value)


def test_an_unknown_field_is_refused_by_its_place(tmp_path: Path) -> None:
    """A setting that is ignored is a setting that somebody relies on."""
    folder = write_bundle(tmp_path / "plain", spoil=lambda c: c["segmenter"].update(stride=2))

    with pytest.raises(InvalidBundleError, match=r"segmenter\.stride"):
        read_bundle(folder)


def test_a_card_cannot_run_code(tmp_path: Path) -> None:
    """A model is data."""
    folder = write_bundle(tmp_path / "plain")
    (folder / "card.yaml").write_text("!!python/object/apply:os.mkdir ['hacked']\n")

    with pytest.raises(InvalidBundleError, match="not YAML"):
        read_bundle(folder)

    assert not Path("hacked").exists()
