"""A trained network as ONNX: exported by PyTorch's dynamo exporter and simplified.

The graph is float32 throughout; other precisions are made from it (`models.export.precisions`).
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod

import onnx
import onnxslim
import torch
from torch import Tensor, nn

INPUT, OUTPUT = "image", "logits"
OPERATOR_SET = 20  # the first with Gelu as one node
EXPORTER = f"PyTorch {torch.__version__} dynamo"
BATCH, AXES = "batch", ("z", "y", "x")
LARGEST_SIDE = 1024  # voxels; the exporter wants a bound
LEAST_BATCH = 2  # the exporter takes a batch of one for a constant

# Operators that hold no size of the image: a graph of these alone takes any that it divides into.
# fmt: off
SIZE_FREE = frozenset({
    "Add", "AveragePool", "BatchNormalization", "Cast", "Clip", "Concat", "Constant", "Conv",
    "ConvTranspose", "Div", "Elu", "Exp", "Gelu", "GlobalAveragePool", "Identity",
    "InstanceNormalization", "LeakyRelu", "MaxPool", "Mul", "PRelu", "Relu", "Sigmoid",
    "Softplus", "Sqrt", "Sub", "Tanh",
})
# fmt: on
# The constants of these are their weights.
WITH_KERNELS = frozenset(
    {"BatchNormalization", "Conv", "ConvTranspose", "InstanceNormalization", "PRelu"}
)


class ExportError(ValueError):
    """A network, or a system of them, cannot be exported as asked: says why."""


def export_network(
    network: nn.Module, example: Tensor, *, dynamic_axes: bool = False, multiple_of: int = 1
) -> onnx.ModelProto:
    """The float32 graph of `network`, from "image" (B, 1, z, y, x) to "logits", for any batch.

    `example`: (B, 1, z, y, x). With `dynamic_axes`, z, y and x may be any multiples of
    `multiple_of`, otherwise they are those of the example.
    """
    example = example.expand(max(LEAST_BATCH, len(example)), *example.shape[1:]).contiguous()
    model = _export(network.eval(), example, {0: torch.export.Dim(BATCH)})
    if dynamic_axes and not _is_size_free(model):
        # Slow: the exporter solves for every size within the network.
        model = _export(network, example, _axes(example, multiple_of))
    model = _simplified(model, dynamic_axes=dynamic_axes)
    onnx.checker.check_model(model, full_check=True)
    return model


def _axes(example: Tensor, multiple_of: int) -> dict[int, object]:
    """The exporter's symbols for the axes of the image that are longer than one voxel."""
    largest = LARGEST_SIDE // multiple_of
    sides = {
        axis: multiple_of * torch.export.Dim(name, min=1, max=largest)
        for axis, name in enumerate(AXES, start=2)
        if example.shape[axis] > 1
    }
    return {0: torch.export.Dim(BATCH), **sides}


def _export(network: nn.Module, example: Tensor, axes: dict[int, object]) -> onnx.ModelProto:
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                network,
                (example,),
                dynamo=True,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=[axes],
                opset_version=OPERATOR_SET,
                verbose=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        raise ExportError(f"{type(network).__name__} cannot be exported: {error}") from error
    assert program is not None  # only with a path to write to
    # By way of its bytes: the exporter's own object shares memory with the network.
    return onnx.ModelProto.FromString(program.model_proto.SerializeToString())


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's remarks on operators of packages that are not installed."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _is_size_free(model: onnx.ModelProto) -> bool:
    """Whether neither an operator nor a constant beside the image holds a size of it."""
    constants = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    return all(
        node.op_type in SIZE_FREE
        and (
            node.op_type in WITH_KERNELS
            or all(_is_per_channel(constants[name]) for name in node.input if name in constants)
        )
        for node in model.graph.node
    )


def _is_per_channel(shape: tuple[int, ...]) -> bool:
    """One value, or one for each channel, whatever the size of the image."""
    return prod(shape) == 1 or (len(shape) > 2 and prod(shape[1:]) == shape[1])


def _simplified(model: onnx.ModelProto, *, dynamic_axes: bool) -> onnx.ModelProto:
    """Constants folded, and nothing left that tells of the machine it was exported on."""
    simple: onnx.ModelProto = onnxslim.slim(model)
    graph = simple.graph
    del simple.metadata_props[:], graph.metadata_props[:]
    del graph.value_info[:]  # sizes of the example
    for item in (*graph.node, *graph.input, *graph.output, *graph.initializer):
        del item.metadata_props[:]
        item.doc_string = ""
    for tensor in (graph.input[0], graph.output[0]):
        dimensions = tensor.type.tensor_type.shape.dim
        dimensions[0].dim_param = BATCH
        for dimension, name in zip(dimensions[2:], AXES, strict=True):
            if dynamic_axes and dimension.dim_value != 1:
                dimension.dim_param = name
    return simple
