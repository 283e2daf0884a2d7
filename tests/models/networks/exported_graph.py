"""A network exported by the dynamo exporter, and how far ONNX Runtime is from PyTorch on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn


def export_graph(network: nn.Module, example: Tensor, axes: Mapping[int, Any]) -> bytes:
    """The ONNX file of `network`, "image" to "logits", with the dynamic `axes` of its input."""
    program = torch.onnx.export(
        network.eval(),
        (example,),
        dynamo=True,
        input_names=["image"],
        output_names=["logits"],
        dynamic_shapes={"image": dict(axes)},
        verbose=False,
    )
    assert program is not None
    return program.model_proto.SerializeToString()


def largest_differences(network: nn.Module, graph: bytes, images: Sequence[Tensor]) -> list[float]:
    """The largest difference of any logit, for each of the `images`."""
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    differences = []
    for image in images:
        with torch.no_grad():
            expected = network.eval()(image).numpy()
        (actual,) = session.run(["logits"], {"image": image.numpy()})
        differences.append(float(np.abs(actual - expected).max()))
    return differences
