"""A result as a worker reports it."""

from __future__ import annotations

from contouring.notices import Notice
from contouring.structures import Status
from workers.jobs import (
    OutputRecord,
    StructureRecord,
)
from workers.lease_store import NewResult

RESULT = NewResult(
    folder="job/1",
    files={"eclipse.rtstruct.dcm": "d" * 64},
    outputs=(OutputRecord("eclipse", "eclipse.rtstruct.dcm"),),
    structures=(
        StructureRecord(
            template="eclipse",
            name="Brainstem~",
            source="Brainstem",
            status=Status.CONTOURED,
            reason="",
            volume_cm3=25.5,
            slices=20,
            contours=21,
            flags=(Notice("cut-by-scan-end", "Brainstem is cut by the scan's end."),),
        ),
    ),
    warnings=("Larynx was not found in the scan.",),
    stage_seconds={"read": 0.5},
)
