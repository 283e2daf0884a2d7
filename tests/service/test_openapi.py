"""openapi.yaml says what the service does."""

from __future__ import annotations

import re
import subprocess
import sys

import yaml

from service.openapi import FILE, build_openapi


def test_the_committed_file_is_what_the_service_would_write() -> None:
    """Clients are generated from the file."""
    assert FILE.read_text() == build_openapi(), "run python -m service.openapi"


def test_every_reference_in_it_leads_somewhere() -> None:
    """Problem is named by hand, which FastAPI does not check."""
    document = yaml.safe_load(build_openapi())
    references = set(_find_references(document))

    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}

    assert "#/components/schemas/Problem" in references
    assert references <= known


def test_every_route_of_the_interface_answers_problems() -> None:
    """No client should have to parse two kinds of errors."""
    document = yaml.safe_load(build_openapi())
    operations = [
        operation for operations in document["paths"].values() for operation in operations.values()
    ]

    assert operations
    for operation in operations:
        for status in ("4XX", "5XX"):
            assert list(operation["responses"][status]["content"]) == ["application/problem+json"]


def test_every_parameter_of_a_path_is_described() -> None:
    """Without it the file is no valid OpenAPI, and nobody can make a client of it."""
    document = yaml.safe_load(build_openapi())

    for path, operations in document["paths"].items():
        for operation in operations.values():
            parameters = operation.get("parameters", [])
            described = {one["name"] for one in parameters if one["in"] == "path"}
            assert described == set(re.findall(r"{(\w+)}", path)), path


def test_the_service_loads_no_runtime() -> None:
    """Its image holds neither networks nor what runs them."""
    code = (
        "import sys, service.app; "
        "print([name for name in ('onnxruntime', 'torch', 'workers.tasks', 'models.cascades')"
        " if name in sys.modules])"
    )

    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert loaded.stdout.strip() == "[]"


def _find_references(node: object) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [found for child in node.values() for found in _find_references(child)]
    if isinstance(node, list):
        return [found for child in node for found in _find_references(child)]
    return []
