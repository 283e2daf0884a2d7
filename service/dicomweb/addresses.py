"""Addresses of what is kept, as this client reaches it."""

from __future__ import annotations

from fastapi import Request

ROOT = "/dicom-web"


def find_root_url(request: Request) -> str:
    """URL of the DICOMweb service without a slash at its end."""
    return f"{str(request.base_url).rstrip('/')}{ROOT}"
