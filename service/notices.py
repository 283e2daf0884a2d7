"""Warnings and flags, as JSON."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class NoticeView(BaseModel):
    """A warning or a flag."""

    model_config = ConfigDict(from_attributes=True)

    name: str = Field(description="Stable name of its kind.")
    text: str
