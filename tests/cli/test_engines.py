"""`oarlock engines`: built once, listed, cleared away; on a stand-in for a machine with a GPU."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.cli.shell import run
from tests.models.gpu import gpu_environment


def run_with_gpu(
    folder: Path, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """With the engines in a folder of the test's own."""
    return run(*arguments, OARLOCK_ENGINES=str(folder), **gpu_environment(), **environment)


def test_an_engine_is_built_once(tmp_path: Path) -> None:
    """It takes minutes; asked for again, it is built again."""
    build = ("engines", "build", "--model", "commissioning")

    first = run_with_gpu(tmp_path, *build)
    second = run_with_gpu(tmp_path, *build)
    third = run_with_gpu(tmp_path, *build, "--again")

    assert first.returncode == 0, first.stderr
    assert "NVIDIA L4" in first.stdout
    assert "commissioning, fields.onnx, float32: built in" in first.stdout
    assert "commissioning, fields.onnx, float32: is built" in second.stdout
    assert "commissioning, fields.onnx, float32: built in" in third.stdout


def test_the_list_says_what_each_engine_is_of_and_for(tmp_path: Path) -> None:
    """For people, and for programs."""
    run_with_gpu(tmp_path, "engines", "build", "--model", "commissioning")

    shown = run_with_gpu(tmp_path, "engines", "list")
    told = json.loads(run_with_gpu(tmp_path, "engines", "list", "--json").stdout)

    assert "commissioning fields.onnx" in shown.stdout
    assert "NVIDIA L4, driver 580.65.06, TensorRT 10.16.1.11, built" in shown.stdout
    assert [one["artifact"] for one in told] == ["capsules.onnx", "fields.onnx"]
    assert {one["state"] for one in told} == {"fits"}
    assert all(one["size_bytes"] > 300 and one["precision"] == "float32" for one in told)


def test_stale_engines_are_cleared_away_and_those_of_another_gpu_are_not(tmp_path: Path) -> None:
    """Another machine may share the folder."""
    build = ("engines", "build", "--model", "commissioning")
    for gpu in ("NVIDIA L4, 8.9, 570.1", "NVIDIA A100, 8.0, 570.1"):
        run_with_gpu(tmp_path, *build, STAND_IN_GPU=gpu)

    pruned = run_with_gpu(tmp_path, "engines", "list", "--prune")
    left = json.loads(run_with_gpu(tmp_path, "engines", "list", "--json").stdout)

    assert "stale" in pruned.stdout
    assert pruned.stderr.count("Removed") == 2
    assert {(one["gpu"], one["state"]) for one in left} == {("NVIDIA A100", "of another GPU")}


def test_only_what_is_known_to_be_useless_is_cleared_away(tmp_path: Path) -> None:
    """Not an engine of another version of Oarlock, but one that has lost its file."""
    run_with_gpu(tmp_path, "engines", "build", "--model", "commissioning")
    newer, broken = sorted((tmp_path / "tensorrt").glob("*.json"))
    newer.write_text(newer.read_text().replace('"format": 1', '"format": 2'))
    broken.with_suffix(".engine").unlink()

    pruned = run_with_gpu(tmp_path, "engines", "list", "--prune")

    assert pruned.stderr == f"Removed {broken.stem}.\n"
    assert newer.is_file()
    assert newer.with_suffix(".engine").is_file()
    assert not broken.exists()


def test_without_a_gpu_nothing_is_built_and_nothing_is_removed(tmp_path: Path) -> None:
    """What fits nothing here may fit elsewhere."""
    run_with_gpu(tmp_path, "engines", "build", "--model", "commissioning")

    built = run("engines", "build", OARLOCK_ENGINES=str(tmp_path))
    pruned = run("engines", "list", "--prune", OARLOCK_ENGINES=str(tmp_path))

    assert built.returncode == 2
    assert "pip install 'oarlock[gpu,tensorrt]'" in built.stderr
    assert "unknown, for no GPU works here" in pruned.stdout
    assert "Removed" not in pruned.stderr


def test_onnx_runtime_without_its_gpu_build_is_told(tmp_path: Path) -> None:
    """The two packages write the same files: one must go."""
    built = run_with_gpu(tmp_path, "engines", "build", "--runtime", "onnx-tensorrt")

    assert built.returncode == 2
    assert "The runtime onnx-tensorrt is not installed" in built.stderr


def test_the_doctor_uses_the_engines_that_are_built_and_says_which_are_not(
    tmp_path: Path,
) -> None:
    """A site sees at once what `oarlock engines build` is still to be run for."""
    doctor = ("doctor", "--json", "--model", "commissioning")
    before = json.loads(run_with_gpu(tmp_path, *doctor).stdout)
    run_with_gpu(tmp_path, "engines", "build", "--model", "commissioning")

    after = json.loads(run_with_gpu(tmp_path, *doctor).stdout)

    assert before["runtime"]["used"] == "openvino"
    (fault,) = [one["fault"] for one in before["runtimes"] if one["name"] == "tensorrt"]
    assert "no engine is built on NVIDIA L4" in fault
    (model,) = before["models"]
    assert "oarlock engines build" in model["unbuilt"][0]
    assert after["runtime"]["used"] == "tensorrt"
    (model,) = after["models"]
    assert model["runtime"] == "TensorRT 10.16.1.11 (NVIDIA L4)"
    assert model["precision"] == "float32, for float16 was not measured for this model"


def test_a_phantom_is_contoured_on_engines(tmp_path: Path) -> None:
    """From the series to the file; the file names what made it."""
    run("phantom", tmp_path / "ct")
    run_with_gpu(tmp_path / "engines", "engines", "build", "--model", "commissioning")

    answer = run_with_gpu(
        tmp_path / "engines",
        "contour",
        str(tmp_path / "ct"),
        "--model",
        "commissioning",
        "--output",
        str(tmp_path / "rt.dcm"),
        "--report",
        str(tmp_path / "report.json"),
        OARLOCK_RUNTIME="tensorrt",
    )

    assert answer.returncode == 0, answer.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert "TensorRT 10.16.1.11 (NVIDIA L4)" in json.dumps(report)
