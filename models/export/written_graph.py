"""The float32 graph of a network, written in the precision that a bundle asks for."""

from __future__ import annotations

from collections.abc import Sequence

import onnx
from torch import Tensor

from models.export.integer_graph import quantise
from models.export.mixed_precision import lower_to_half
from models.export.precisions import Precision
from models.export.stored_weights import halve_weights


def write_in(
    model: onnx.ModelProto, precision: Precision, windows: Sequence[Tensor]
) -> onnx.ModelProto:
    """The float32 graph in another precision; int8 needs real `windows`, each (1, z, y, x)."""
    match precision:
        case Precision.FLOAT32:
            return model
        case Precision.STORED:
            return halve_weights(model)
        case Precision.FLOAT16:
            return lower_to_half(model)
        case Precision.INT8:
            return quantise(model, [window[None].numpy() for window in windows])
