"""`make check` refuses code that could run what it loads."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

PACKAGES = ("cli", "contouring", "models", "service", "workers")
RUFF = {
    "pickle": "import pickle\n",
    "part of pickle": "from pickle import loads\n",
    "marshal": "import marshal\n",
    "shelve": "import shelve\n",
    "joblib": "import joblib\n",
    "dill": "import dill\n",
    "cloudpickle": "import cloudpickle\n",
    "within a function": "def load() -> None:\n    import pickle\n",
    "eval": 'eval("1")\n',
    "exec": 'exec("1")\n',
    "yaml": 'import yaml\n\nyaml.load("", yaml.Loader)\n',
}
BANDIT = {
    "torch": 'import torch\n\ntorch.load("net.pt")\n',
    "torch, of more than weights": 'import torch\n\ntorch.load("net.pt", weights_only=False)\n',
    "pickle": 'import pickle\n\npickle.loads(b"")\n',
    "shell": 'import subprocess\n\nsubprocess.run("ls " + input(), shell=True)\n',
}


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("code", RUFF.values(), ids=RUFF)
def test_ruff_refuses_it_in_every_package(
    repository: Path, find_tool: Callable[[str], str], package: str, code: str
) -> None:
    """No package is exempted, and no rule is off."""
    name = f"{package}/planted.py"
    command = [find_tool("ruff"), "check", "--quiet", "--no-cache", "--stdin-filename", name, "-"]
    command[2:2] = ["--select", "S102,S301,S302,S307,S506,TID251"]

    done = subprocess.run(
        command, input=code, capture_output=True, text=True, cwd=repository, check=False
    )

    assert done.returncode == 1, done.stdout + done.stderr


def test_ruff_is_told_to_look_for_it(repository: Path, find_tool: Callable[[str], str]) -> None:
    """By the settings alone, as `make check` runs it."""
    code = RUFF["pickle"] + RUFF["eval"] + RUFF["exec"] + RUFF["yaml"]
    command = [find_tool("ruff"), "check", "--no-cache", "--output-format", "concise"]

    done = subprocess.run(
        [*command, "--stdin-filename", "workers/planted.py", "-"],
        input=code,
        capture_output=True,
        text=True,
        cwd=repository,
        check=False,
    )

    for rule in ("TID251", "S307", "S102", "S506"):
        assert rule in done.stdout


@pytest.mark.parametrize("code", BANDIT.values(), ids=BANDIT)
def test_bandit_refuses_it(
    repository: Path, find_tool: Callable[[str], str], tmp_path: Path, code: str
) -> None:
    """What a run of training writes is read as weights alone."""
    (tmp_path / "planted.py").write_text(code)
    command = [find_tool("bandit"), "--quiet", "--configfile", repository / "pyproject.toml"]

    done = subprocess.run(
        [*command, tmp_path / "planted.py"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 1, done.stdout + done.stderr


def test_no_check_is_switched_off_without_saying_which(sources: list[Path]) -> None:
    """A bare `nosec` would hide the next fault of that line, too."""
    bare = [
        f"{path}: {line.strip()}"
        for path in sources
        for line in path.read_text().splitlines()
        if "nosec" in line and not line.split("nosec", 1)[1].startswith(" B")
    ]

    assert bare == []
