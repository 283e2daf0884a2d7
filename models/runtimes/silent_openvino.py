"""OpenVINO without its telemetry: the one place that imports it.

By itself it tells a service on the internet, at each import and without being asked to, that it is
used and where, and leaves an identifier in the home folder.
"""

from __future__ import annotations

import sys

# An ImportError of this name makes it do without.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]

import openvino  # noqa: E402

__all__ = ["openvino"]
