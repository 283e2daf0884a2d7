"""Convolutions and linear layers in eight-bit integers, by ONNX Runtime's static quantisation.

For CPUs: weights are signed and activations unsigned, and on processors without VNNI one bit of
the weights is given up, since sums of pairs overflow sixteen bits there.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)

from models.export.onnx_export import INPUT, ExportError

QUANTISED = ("Conv", "MatMul", "Gemm")
LEAST_IMAGES = 4  # fewer say too little of the range of an activation


class _Images(CalibrationDataReader):  # type: ignore[misc]
    """Hands calibration images out one after the other, each a batch of one."""

    def __init__(self, images: Sequence[NDArray[np.float32]]) -> None:
        self._rest = iter(images)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        image = next(self._rest, None)
        return None if image is None else {INPUT: image}


def quantise(model: onnx.ModelProto, images: Sequence[NDArray[np.float32]]) -> onnx.ModelProto:
    """The graph with QuantizeLinear and DequantizeLinear around what becomes integer.

    `images`: each (1, 1, z, y, x) float32, real inputs of the network; their largest and smallest
    activations set the scales. Raises `ExportError` for fewer than `LEAST_IMAGES`.
    """
    if len(images) < LEAST_IMAGES:
        raise ExportError(f"int8 needs at least {LEAST_IMAGES} real windows, not {len(images)}")
    with TemporaryDirectory() as folder, _quiet():
        plain, quantised = Path(folder) / "plain.onnx", Path(folder) / "quantised.onnx"
        onnx.save(model, plain)
        quantize_static(
            plain,
            quantised,
            _Images(images),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(QUANTISED),
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )
        result = onnx.load(quantised)
    del result.metadata_props[:]
    onnx.checker.check_model(result, full_check=True)
    return result


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the advice to simplify the graph first, which has been done."""
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
