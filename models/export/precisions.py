"""The precisions that a graph is written in, and how far each may stray from PyTorch."""

from __future__ import annotations

from enum import StrEnum


class Precision(StrEnum):
    """`float16-stored`: float32 arithmetic, weights in float16 for size alone; the default.

    `float16`: mixed precision in the graph, for GPUs; `int8`: integer convolutions, for CPUs.
    """

    FLOAT32 = "float32"
    STORED = "float16-stored"
    FLOAT16 = "float16"
    INT8 = "int8"

    @property
    def is_variant(self) -> bool:
        """Whether it computes otherwise than the network was trained, so that Dice must judge."""
        return self in (Precision.FLOAT16, Precision.INT8)


# Logits. Seen with the trained localizer and segmenter of hn-oar on windows of a scan that neither
# had learned from, where logits reach 39 and ONNX Runtime computed on a CPU: at most 0.0001 in
# float32, 0.0033 in float16-stored, 0.013 in float16, and two voxels in a million with another
# label. Ten to twenty times as much is let pass. What int8 does to single logits says little: a
# gate on Dice judges it, and this only catches a graph that is broken.
TOLERANCES = {
    Precision.FLOAT32: 1e-3,
    Precision.STORED: 0.05,
    Precision.FLOAT16: 0.25,
    Precision.INT8: 10.0,
}
