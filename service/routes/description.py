"""/openapi.json: what can be asked for, as programs read it."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from service.access.declarations import needs
from service.access.roles import Permission

router = APIRouter()


@router.get("/openapi.json", response_class=JSONResponse, include_in_schema=False)
@needs(Permission.DESCRIBE)
def describe(request: Request) -> JSONResponse:
    """The description that openapi.yaml holds."""
    return JSONResponse(request.app.openapi())
