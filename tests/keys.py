"""The key that every server of the tests knows, and every client of theirs shows."""

from __future__ import annotations

KEY = "oarlock_testtest0123456789abcdefghijklmnopqrstuvwxyz"
SHOWN = {"Authorization": f"Bearer {KEY}"}
ENVIRONMENT = {"OARLOCK_FIRST_KEY": KEY, "OARLOCK_KEY": KEY}
