"""The table of limits in docs/security.md, from the settings and constants that enforce them.

python -m service.limits_table     writes it anew
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from contouring import decoders, frame_decoder
from service.dimse import listener, node, staging_provider, wire
from service.forms import FIELD_BYTES, FIELD_COUNT
from workers.instances import UID_LENGTH
from workers.limits import GIBIBYTE, KIBIBYTE, MEBIBYTE, Limits

PAGE = Path(__file__).resolve().parents[1] / "docs" / "security.md"
BEGIN, END = "<!-- limits: written by python -m service.limits_table -->", "<!-- end of limits -->"
FIXED = "fixed"


def build_limits_table() -> str:
    """Markdown, a row for each limit."""
    rows = [("limit", "default", "setting"), ("---", "---", "---"), *_list_settings()]
    return "\n".join(f"| {' | '.join(row)} |" for row in (*rows, *_list_fixed()))


def place_table(page: str) -> str:
    """The page with the present table between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{build_limits_table()}\n{END}{after}"


def _list_settings() -> Iterator[tuple[str, str, str]]:
    for name, field in Limits.model_fields.items():
        words = (field.description or "").rstrip(".")
        yield words, _show(name, field.default), f"`OARLOCK_{name.upper()}`"


def _list_fixed() -> Iterator[tuple[str, str, str]]:
    """Those that protocols or codecs decide, and nobody has a reason to change."""
    yield from (
        (words, shown, FIXED)
        for words, shown in (
            ("Fields of a form beside its files", f"{FIELD_COUNT} of {FIELD_BYTES} bytes"),
            ("Letters of a UID, which are digits and dots", f"{UID_LENGTH}"),
            ("DIMSE: largest PDU taken", _show_bytes(wire.MOST_PDU_BYTES)),
            ("DIMSE: PDU size negotiated", _show_bytes(node.PDU_BYTES)),
            ("DIMSE: command of a message", _show_bytes(staging_provider.MOST_COMMAND_BYTES)),
            (
                "DIMSE: data set of anything but an object",
                _show_bytes(staging_provider.MOST_DATASET_BYTES),
            ),
            ("DIMSE: TLS handshake", f"{listener.HANDSHAKE_SECONDS:g} s"),
            ("DIMSE: until an association is asked for", f"{node.ACSE_SECONDS:g} s"),
            ("DIMSE: until a PDU is whole", f"{node.DIMSE_SECONDS:g} s"),
            ("DIMSE: silence of an association", f"{node.IDLE_SECONDS:g} s"),
            ("Decoder of compressed pixels: memory", _show_bytes(frame_decoder.MEMORY_BYTES)),
            ("Decoder: processor time of a frame", f"{frame_decoder.FRAME_SECONDS} s"),
            ("Decoder: time of a frame", f"{decoders.ANSWER_SECONDS:g} s"),
        )
    )


def _show(name: str, default: object) -> str:
    if name.endswith("_bytes") and isinstance(default, int):
        return _show_bytes(default)
    unit = " s" if name.endswith("_seconds") else ""
    return f"{default:g}{unit}" if isinstance(default, float) else f"{default}{unit}"


def _show_bytes(count: int) -> str:
    for size, unit in ((GIBIBYTE, "GiB"), (MEBIBYTE, "MiB"), (KIBIBYTE, "KiB")):
        if count % size == 0:
            return f"{count // size} {unit}"
    return f"{count} bytes"


if __name__ == "__main__":
    PAGE.write_text(place_table(PAGE.read_text()))
