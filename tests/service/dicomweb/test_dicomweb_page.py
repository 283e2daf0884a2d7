"""The page about DICOMweb, followed to the letter."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest

from service.dicomweb.search_results import MOST_OBJECTS
from service.routes.dicomweb import router as search_router
from service.routes.stow import router as stow_router
from tests.conftest import REPOSITORY
from tests.service.conftest import Server
from tests.service.dicomweb.arrivals import read_uid, wait_for

PAGE = (REPOSITORY / "docs" / "dicomweb.md").read_text(encoding="utf-8")
DEFAULT_URL = "http://127.0.0.1:8042"


@pytest.fixture
def folder(
    tmp_path: Path, write_series: Callable[..., list[bytes]], monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The reader's own folder, with a series in `ct`."""
    (tmp_path / "ct").mkdir()
    for number, content in enumerate(write_series(), start=1):
        (tmp_path / "ct" / f"CT{number:04d}.dcm").write_bytes(content)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path


def read_examples(language: str, server: Server) -> list[str]:
    """The page's examples, at the test's server."""
    examples = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return [example.replace(DEFAULT_URL, server.url) for example in examples]


def run(script: str) -> str:
    """What a shell prints; a command that fails ends it."""
    return subprocess.run(
        ["bash", "-e", "-c", script], capture_output=True, text=True, check=True
    ).stdout


def test_a_series_goes_in_and_its_structure_set_comes_out(site: Server, folder: Path) -> None:
    """A stranger must be able to use the server from the page alone."""
    (example,) = read_examples("python", site)

    exec(compile(example, "docs/dicomweb.md", "exec"), {})  # noqa: S102 - our own page

    assert pydicom.dcmread(folder / "structures.dcm").Modality == "RTSTRUCT"


def test_the_commands_store_and_find(site: Server, folder: Path) -> None:
    """In the order of the page."""
    one_by_one, together, search = read_examples("sh", site)

    stored = run(one_by_one)
    first = (folder / "ct" / "CT0001.dcm").read_bytes()
    arrival = wait_for(site.http, first, "accepted", 20)
    again = run(together)
    site.wait_for(arrival["jobs"][0], "done")
    found = run(search.replace("limit=10", "limit=1000"))  # other tests stored studies, too

    assert stored.count("00081199") == 20
    assert again.count("ReferencedSOPInstanceUID") == 2
    assert read_uid(first, "StudyInstanceUID") in found


def test_every_path_that_is_served_is_on_the_page() -> None:
    """And none that is not."""
    rows = re.findall(r"^\| (GET|POST) \| `(/\S+)` \|", PAGE, re.MULTILINE)
    served = {
        (method, route.path.removeprefix("/dicom-web"))  # type: ignore[attr-defined]
        for router in (search_router, stow_router)
        for route in router.routes
        for method in route.methods  # type: ignore[attr-defined]
    }

    assert set(rows) == served
    assert f"more than {MOST_OBJECTS:,} objects" in PAGE
