"""What tests expect of answers, and how they spoil what they send."""

from __future__ import annotations

import io
from collections.abc import Callable

import httpx
import pydicom


def expect_problem(answer: httpx.Response, status: int, code: str, *words: str) -> None:
    """The answer is this problem, and its detail holds these words."""
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (status, f"urn:oarlock:problem:{code}")
    assert problem["status"] == status
    assert [word for word in words if word not in problem["detail"]] == []


def change_dataset(content: bytes, change: Callable[[pydicom.Dataset], None]) -> bytes:
    """A DICOM file with something changed."""
    dataset = pydicom.dcmread(io.BytesIO(content))
    change(dataset)
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()
