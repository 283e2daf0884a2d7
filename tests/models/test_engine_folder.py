"""Engines on the disk: when one is found again, and when it must not be."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from contouring.errors import UnusableRuntimeError
from models.card import ModelCard
from models.runtimes.engine_folder import EngineFolder, EngineIdentity, identify
from models.runtimes.engine_plans import EnginePlan
from models.runtimes.gpu_platform import Platform, find_platform
from tests.models.bundle_files import plain_card

PLATFORM = Platform("NVIDIA L4", "8.9", "580.65.06", "TensorRT 10.16.1.11")
PLAN = EnginePlan((16, 16, 16), (128, 96, 96), 1, "float16")
ENGINE = EngineIdentity("tensorrt", "segmenter.onnx", "a" * 64, PLATFORM, PLAN)
NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
OTHERS = {
    "gpu": replace(ENGINE, platform=replace(PLATFORM, gpu="NVIDIA A100")),
    "compute capability": replace(ENGINE, platform=replace(PLATFORM, compute_capability="9.0")),
    "driver": replace(ENGINE, platform=replace(PLATFORM, driver="581.0")),
    "version": replace(ENGINE, platform=replace(PLATFORM, library="TensorRT 10.13.2.6")),
    "precision": replace(ENGINE, plan=replace(PLAN, precision="float32")),
    "windows": replace(ENGINE, plan=replace(PLAN, largest_zyx=(128, 96, 64))),
    "batch": replace(ENGINE, plan=replace(PLAN, largest_batch=8)),
    "weights": replace(ENGINE, sha256="b" * 64),
    "runtime": replace(ENGINE, runtime="onnx-tensorrt"),
}


@pytest.fixture
def engines(tmp_path: Path) -> EngineFolder:
    """With one engine."""
    folder = EngineFolder(tmp_path / "engines")
    folder.keep(ENGINE, "organ", NOW, {f"{ENGINE.stem}.engine": b"engine"})
    return folder


def test_an_engine_that_was_kept_is_found(engines: EngineFolder) -> None:
    """By another process, too: it is on the disk."""
    (file,) = engines.find(ENGINE)

    assert file.read_bytes() == b"engine"


@pytest.mark.parametrize("wanted", OTHERS.values(), ids=OTHERS)
def test_an_engine_is_found_for_nothing_else(engines: EngineFolder, wanted: EngineIdentity) -> None:
    """It runs on the GPU, driver and version that built it, and has the weights of its graph."""
    assert engines.find(wanted) == ()


def test_an_engine_that_was_changed_is_not_found(engines: EngineFolder) -> None:
    """A copy that broke off must not be loaded."""
    engines.find(ENGINE)[0].write_bytes(b"engi")

    assert engines.find(ENGINE) == ()


def test_files_without_a_record_are_no_engine(tmp_path: Path) -> None:
    """A build that broke off has none: it is written last."""
    folder = EngineFolder(tmp_path)
    (tmp_path / "tensorrt").mkdir()
    (tmp_path / "tensorrt" / f"{ENGINE.stem}.engine").write_bytes(b"half an engine")

    assert folder.find(ENGINE) == ()


def test_a_record_says_what_an_engine_was_built_from_and_for(engines: EngineFolder) -> None:
    """Names are digests; whoever clears the folder must be able to tell them apart."""
    (kept,) = engines.list_all()

    assert kept.record is not None
    assert kept.record.platform == PLATFORM
    told = kept.record.model_dump()
    assert (told["model"], told["artifact"], told["precision"]) == (
        "organ",
        "segmenter.onnx",
        "float16",
    )
    assert (told["sha256"], told["built_at"], kept.size_bytes) == ("a" * 64, NOW, 6)


def test_an_engine_whose_record_cannot_be_read_is_listed_without_its_files(
    engines: EngineFolder,
) -> None:
    """Another version of Oarlock may have built it: what is its own, nobody here can say."""
    engines.list_all()[0].path.write_text('{"format": 2}')

    (kept,) = engines.list_all()

    assert (kept.record, kept.files) == (None, ())


@pytest.mark.parametrize("name", ["../x.engine", "/x.engine", "a\\\\b"])
def test_a_record_names_no_file_of_another_folder(engines: EngineFolder, name: str) -> None:
    """What it names is removed with it."""
    record = engines.list_all()[0].path
    record.write_text(record.read_text().replace(f"{ENGINE.stem}.engine", name))

    assert engines.list_all()[0].record is None


def test_what_is_no_engine_is_not_listed(engines: EngineFolder, tmp_path: Path) -> None:
    """The folder may hold other things, by mistake or not."""
    for name in ("reports/seg-0123456789abcdef.json", "tensorrt/seg.json", "seg.json"):
        path = tmp_path / "engines" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("{}")

    assert [one.path.stem for one in engines.list_all()] == [ENGINE.stem]


def test_one_profile_takes_every_window_that_the_card_allows() -> None:
    """From the smallest that a small scan is filled up to, to the longest, one at a time."""
    card = plain_card()
    card["segmenter"] |= {"window": [16, 16, 16], "longest_window": [32, 24, 16]}
    stage = ModelCard.model_validate(card).segmenter

    profile = EnginePlan.of(stage).fit((None, 1, None, None, None))

    assert profile.least == (1, 1, 8, 8, 8)
    assert profile.best == profile.largest == (1, 1, 32, 24, 16)


def test_slices_have_a_profile_for_as_many_as_are_shown_at_once() -> None:
    """The side of 1 stays."""
    card = plain_card()
    card["segmenter"]["window"] = [1, 16, 16]
    stage = ModelCard.model_validate(card).segmenter

    profile = EnginePlan.of(stage).fit((None, 1, 1, None, None))

    assert profile.least == (1, 1, 1, 8, 8)
    assert profile.largest == (8, 1, 1, 16, 16)


def test_a_graph_of_fixed_size_has_a_profile_of_that_size() -> None:
    """Whatever the card would allow."""
    stage = ModelCard.model_validate(plain_card()).segmenter

    profile = EnginePlan.of(stage).fit((1, 1, 8, 16, 16))

    assert profile.least == profile.largest == (1, 1, 8, 16, 16)


def test_the_same_network_in_another_precision_is_another_engine() -> None:
    """Told in its record, and in its name."""
    stage = ModelCard.model_validate(plain_card()).segmenter

    stems = {identify("tensorrt", stage, one, PLATFORM).stem for one in ("float32", "float16")}

    assert len(stems) == 2


@pytest.mark.parametrize(
    ("visible", "gpu"), [("", "NVIDIA L4"), ("1", "NVIDIA A100"), ("GPU-77,0", "NVIDIA A100")]
)
def test_engines_are_for_the_gpu_that_the_process_uses(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, visible: str, gpu: str
) -> None:
    """With a worker for each GPU, every one has its own."""
    write_tool(
        tmp_path,
        'case "$*" in *--id=*) echo "NVIDIA A100, 8.0, 580.1";; '
        '*) printf "NVIDIA L4, 8.9, 580.1\\nNVIDIA A100, 8.0, 580.1\\n";; esac',
    )
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)

    assert find_platform("tensorrt", "TensorRT 10").gpu == gpu


def test_without_a_driver_it_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A machine without a GPU gets a sentence, not a crash."""
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(UnusableRuntimeError, match="there is no nvidia-smi here"):
        find_platform("tensorrt", "TensorRT 10")


@pytest.mark.parametrize("content", ["", "exit 9", "echo 'No devices were found'"])
def test_a_driver_without_a_gpu_is_told_too(
    content: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The driver's tools may be there and see nothing."""
    write_tool(tmp_path, content)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(UnusableRuntimeError, match="needs an NVIDIA GPU"):
        find_platform("tensorrt", "TensorRT 10")


def write_tool(folder: Path, content: str) -> None:
    """An nvidia-smi that answers so."""
    tool = folder / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{content}\n")
    tool.chmod(0o755)
