"""Eight-bit graphs: what becomes integer, and how far they stray."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the training extra")

from onnx import numpy_helper

from models.export.integer_graph import quantise
from models.export.onnx_export import ExportError
from models.export.stored_weights import halve_weights
from tests.models.export.small_graphs import answer, build_small_graph, made_images, operators


def test_an_integer_graph_answers_nearly_as_before() -> None:
    """Convolutions stand between integers, and the labels are those of the float graph."""
    graph, image = build_small_graph(), made_images(1, seed=9)[0]

    quantised = quantise(graph, made_images(4))

    before, after = answer(graph, image), answer(quantised, image)
    found = operators(quantised)
    assert len(found["QuantizeLinear"]) >= len(found["Conv"]) == 2
    assert 0 < np.abs(after - before).mean() < 0.05 * np.abs(before).max()
    assert np.mean(after.argmax(axis=1) == before.argmax(axis=1)) > 0.9


def test_scales_are_not_taken_from_too_few_images() -> None:
    """Whatever a later scan holds beyond them would be cut off."""
    with pytest.raises(ExportError, match="at least 4 real windows, not 3"):
        quantise(build_small_graph(), made_images(3))


def test_weights_stored_in_half_are_smaller_and_compute_in_float() -> None:
    """The size is halved; what the graph does is not touched."""
    graph, (image,) = build_small_graph(), made_images(1)
    for tensor in graph.graph.initializer:  # as large as weights are worth halving
        if tensor.name == "kernel":
            big = np.random.default_rng(1).normal(0, 0.1, (16, 1, 5, 5, 5)).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(big, "kernel"))
    graph.graph.node[0].attribute[0].ints[:] = [2] * 6

    halved = halve_weights(graph)

    assert len(halved.SerializeToString()) < 0.7 * len(graph.SerializeToString())
    assert 0 < np.abs(answer(halved, image) - answer(graph, image)).max() < 1e-2
