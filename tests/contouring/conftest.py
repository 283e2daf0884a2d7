"""How long hypothesis looks: short enough for every commit, the same examples each time."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("geometry", max_examples=50, deadline=None, derandomize=True)
settings.load_profile("geometry")
