"""What the documents say exists, exists."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from cli.app import COMMANDS
from workers.settings import Settings

DOCUMENTS = ("README.md", "CHANGELOG.md", "docs/**/*.md")


@pytest.fixture
def readme(repository: Path) -> str:
    return (repository / "README.md").read_text()


@pytest.fixture
def commands_shown(readme: str) -> str:
    """The README's code: fenced blocks and words in backticks."""
    fenced = re.findall(r"```console\n(.*?)```", readme, re.DOTALL)
    return "\n".join(fenced + re.findall(r"`([^`\n]+)`", readme))


def test_every_script_in_the_readme_can_be_run(repository: Path, commands_shown: str) -> None:
    """A new user's first command must not fail with `Permission denied`."""
    scripts = set(re.findall(r"\./(scripts/\w+)", commands_shown))

    assert scripts
    assert all(os.access(repository / script, os.X_OK) for script in scripts)


def test_every_make_target_in_the_readme_exists(repository: Path, commands_shown: str) -> None:
    """The table of daily commands is how a developer learns them."""
    targets = set(re.findall(r"^([a-z]+):", (repository / "Makefile").read_text(), re.MULTILINE))

    shown = set(re.findall(r"\bmake ([a-z]+)", commands_shown))

    assert shown
    assert shown <= targets


def test_every_oarlock_command_in_the_readme_exists(commands_shown: str) -> None:
    """The examples must not outlive a renamed command."""
    shown = set(re.findall(r"\boarlock ([a-z]+)\b", commands_shown))

    assert shown
    assert shown <= set(_command_names())


def test_every_command_is_documented(repository: Path) -> None:
    """A command that no page names is found by nobody."""
    pages = "".join(path.read_text() for path in _find_documents(repository))

    undocumented = [name for name in _command_names() if f"oarlock {name}" not in pages]

    assert undocumented == []


def test_every_route_in_the_readme_is_served(repository: Path, readme: str) -> None:
    """The curl examples are copied as they stand."""
    served = yaml.safe_load((repository / "openapi.yaml").read_text())["paths"]
    patterns = [re.sub(r"\{[^}]+\}", "[^/]+", path) for path in served]

    shown = set(re.findall(r"http://127\.0\.0\.1:\d+(/v1/[\w/.-]+)", readme))

    assert shown
    assert all(any(re.fullmatch(pattern, path) for pattern in patterns) for path in shown)


def test_the_port_in_the_readme_is_the_default(readme: str) -> None:
    """The link to the list of jobs must open it."""
    ports = set(re.findall(r"http://127\.0\.0\.1:(\d+)", readme))

    assert ports == {str(Settings.model_fields["port"].default)}


def test_every_setting_is_documented_with_its_default(repository: Path) -> None:
    """An undocumented setting is not a setting; a stale default misleads."""
    page = (repository / "docs" / "operations.md").read_text()
    documented = dict(re.findall(r"^\| `OARLOCK_(\w+)` \| ([^|]+) \|", page, re.MULTILINE))

    settings = {
        name.upper(): _show(name, field.default) for name, field in Settings.model_fields.items()
    }

    assert documented == settings


def test_the_changelog_tells_of_this_version(repository: Path) -> None:
    """A release without an entry has changed nothing that a user can read about."""
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]

    headings = re.findall(r"^## \[(.+?)\]", (repository / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert headings[0] == "Unreleased"
    assert project["version"] in headings


def test_every_link_between_documents_leads_somewhere(repository: Path) -> None:
    """A page that was moved takes its links with it."""
    links = [
        page.parent / target
        for page in _find_documents(repository)
        for target in re.findall(r"\]\((?!\w+:|#)([^)#]+)", page.read_text())
    ]

    assert [link for link in links if not link.exists()] == []


def test_every_decision_is_listed_and_says_what_enforces_it(repository: Path) -> None:
    """A decision that nothing enforces is a wish."""
    folder = repository / "docs" / "decisions"
    records = sorted(path for path in folder.glob("*.md") if path.name != "README.md")
    index = (folder / "README.md").read_text()

    assert records
    assert [path.name for path in records if f"]({path.name})" not in index] == []
    assert [path.name for path in records if "\n## Enforced by\n" not in path.read_text()] == []


def _command_names() -> list[str]:
    return sorted(COMMANDS)


def _find_documents(repository: Path) -> list[Path]:
    return [path for pattern in DOCUMENTS for path in sorted(repository.glob(pattern))]


def _show(name: str, default: object) -> str:
    """A default as the page writes it."""
    if default in (None, ""):
        return "unset"
    if name.endswith("_bytes") and isinstance(default, int):
        mebibytes = default // 2**20
        if not mebibytes:
            return f"{default // 1024} KiB"
        return f"{mebibytes // 1024} GiB" if mebibytes % 1024 == 0 else f"{mebibytes} MiB"
    return f"{default:g}" if isinstance(default, float) else f"{default}"
