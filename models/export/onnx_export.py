"""A trained network as ONNX: exported, its weights halved in size, compared with PyTorch."""

from __future__ import annotations

import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

OPERATOR_SET = 17
HALVED_FROM_VALUES = 1024  # smaller tensors gain nothing


def export_network(network: nn.Module, example: Tensor) -> onnx.ModelProto:
    """The graph of `network`: float32 in and out, dynamic z, y, x, weights stored in float16.

    `example`: (1, 1, z, y, x). Input "image", output "logits". ONNX Runtime turns the weights back
    into float32 when it loads the graph.
    """
    axes = {2: "z", 3: "y", 4: "x"}
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the older exporter folds batch norms
        path = Path(folder) / "network.onnx"
        torch.onnx.export(
            network.eval(),
            (example,),
            path,
            input_names=["image"],
            output_names=["logits"],
            dynamic_axes={"image": axes, "logits": axes},
            opset_version=OPERATOR_SET,
            dynamo=False,
        )
        model = _with_halved_weights(onnx.load(path))
    onnx.checker.check_model(model, full_check=True)
    return model


def largest_difference(network: nn.Module, model: onnx.ModelProto, example: Tensor) -> float:
    """The largest difference of any logit between PyTorch and ONNX Runtime on `example`."""
    with torch.no_grad():
        expected = network.eval()(example).numpy()
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (actual,) = session.run(["logits"], {"image": example.numpy()})
    return float(np.abs(actual - expected).max())


def _with_halved_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    casts = []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or values.size < HALVED_FROM_VALUES:
            continue
        stored = f"{tensor.name}.half"
        casts.append(helper.make_node("Cast", [stored], [tensor.name], to=TensorProto.FLOAT))
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), stored))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model
