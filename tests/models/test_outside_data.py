"""A network's file is whole: it points to no other."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper
from onnx.external_data_helper import uses_external_data

from contouring.errors import InvalidBundleError
from models.bundles import RELEASED, read_bundle
from models.outside_data import find_outside_data
from tests.models.bundle_files import build_graph, write_bundle

LOCATIONS = [
    "weights.bin",
    "../weights.bin",
    "sub/../../weights.bin",
    "/etc/passwd",
    "file:///etc/passwd",
    "..\\weights.bin",
    "C:\\weights.bin",
    "\\\\server\\share\\weights.bin",
    "",
]


def outside_tensor(location: str = "../weights.bin") -> TensorProto:
    """A tensor whose numbers are elsewhere."""
    tensor = helper.make_tensor("outside", TensorProto.FLOAT, [1], [1.0])
    tensor.ClearField("float_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return tensor


def nodes_with(tensor: TensorProto) -> list[onnx.NodeProto]:
    """A constant."""
    return [helper.make_node("Constant", [], ["one"], value=tensor)]


def in_initializer(model: onnx.ModelProto, tensor: TensorProto) -> None:
    """Where exporters put them."""
    model.graph.initializer.append(tensor)


def in_constant(model: onnx.ModelProto, tensor: TensorProto) -> None:
    """In a node's attribute."""
    model.graph.node.extend(nodes_with(tensor))


def in_list(model: onnx.ModelProto, tensor: TensorProto) -> None:
    """In an attribute of several."""
    model.graph.node.append(helper.make_node("Any", [], ["one"], tensors=[tensor]))


def in_branch(model: onnx.ModelProto, tensor: TensorProto) -> None:
    """In a graph within the graph."""
    branch = helper.make_graph(nodes_with(tensor), "branch", [], [])
    model.graph.node.append(helper.make_node("If", ["c"], ["one"], then_branch=branch))


def in_sparse(model: onnx.ModelProto, tensor: TensorProto) -> None:
    """In a tensor of few numbers."""
    indices = helper.make_tensor("indices", TensorProto.INT64, [1], [0])
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(tensor, indices, [1]))


def in_function(model: onnx.ModelProto, tensor: TensorProto) -> None:
    """In a function of the model's own."""
    opset = [helper.make_opsetid("", 17)]
    model.functions.append(helper.make_function("own", "F", [], ["one"], nodes_with(tensor), opset))


def in_training(model: onnx.ModelProto, tensor: TensorProto) -> None:
    """In what nobody runs."""
    model.training_info.add().algorithm.initializer.append(tensor)


PLACES = [in_initializer, in_constant, in_list, in_branch, in_sparse, in_function, in_training]


@pytest.mark.parametrize("put", PLACES)
def test_it_is_found_wherever_a_tensor_can_stand(
    put: Callable[[onnx.ModelProto, TensorProto], None],
) -> None:
    """A runtime reads all of them."""
    model = build_graph()
    put(model, outside_tensor())

    assert find_outside_data(model.SerializeToString()) == ["'../weights.bin'"]


@pytest.mark.parametrize("location", LOCATIONS)
def test_no_place_outside_is_allowed_not_even_beside_it(tmp_path: Path, location: str) -> None:
    """The card names no checksum of it, wherever it is."""
    model = build_graph()
    in_initializer(model, outside_tensor(location))
    (tmp_path / "weights.bin").write_bytes(bytes(4))

    with pytest.raises(InvalidBundleError, match=r"net\.onnx would read .* besides itself"):
        read_bundle(write_bundle(tmp_path / "plain", model))


def test_either_of_the_two_signs_is_enough() -> None:
    """Runtimes differ in which one they look at."""
    marked, named = outside_tensor(), outside_tensor()
    marked.ClearField("external_data")
    named.ClearField("data_location")

    for tensor in (marked, named):
        model = build_graph()
        in_initializer(model, tensor)
        assert len(find_outside_data(model.SerializeToString())) == 1


def test_an_operator_that_names_machine_code_is_found() -> None:
    """Of ONNX Runtime's: it would load what another had compiled."""
    model = build_graph()
    node = helper.make_node("EPContext", ["image"], ["x"], domain="com.microsoft")
    model.graph.node.append(node)

    assert find_outside_data(model.SerializeToString()) == ["an operator of machine code"]


def test_the_released_networks_are_whole() -> None:
    """And read to their ends, in which nothing else is found."""
    found = {path.name: find_outside_data(path.read_bytes()) for path in RELEASED.glob("*/*.onnx")}

    assert found
    assert not any(found.values())


@given(st.data())
def test_what_protobuf_reads_as_outside_data_is_found_in_spoilt_bytes(data: st.DataObject) -> None:
    """Whatever the onnx package takes for a model is either refused here or seen through."""
    model = build_graph()
    data.draw(st.sampled_from(PLACES[:2]))(model, outside_tensor())
    content = bytearray(model.SerializeToString())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=4)):
        content[place] = data.draw(st.integers(0, 255))

    try:
        read = onnx.ModelProto.FromString(bytes(content))
        outside = any(map(uses_external_data, _tensors(read)))
    except Exception:  # noqa: BLE001 - whatever protobuf refuses, no runtime loads either
        return
    try:
        found = find_outside_data(bytes(content))
    except ValueError:
        return
    assert bool(found) or not outside


def _tensors(model: onnx.ModelProto) -> list[TensorProto]:
    constants = [a.t for node in model.graph.node for a in node.attribute if a.HasField("t")]
    return [*model.graph.initializer, *constants]


@pytest.mark.parametrize("name", ["net.onnx", "card.yaml"])
@pytest.mark.parametrize("kind", ["link", "folder", "pipe"])
def test_a_file_of_a_bundle_is_a_file_of_the_bundle(tmp_path: Path, name: str, kind: str) -> None:
    """What stands elsewhere is changed by somebody else; a pipe would be waited for."""
    folder = write_bundle(tmp_path / "plain")
    (folder / name).rename(tmp_path / name)
    if kind == "link":
        (folder / name).symlink_to(tmp_path / name)
    elif kind == "folder":
        (folder / name).mkdir()
    else:
        os.mkfifo(folder / name)

    with pytest.raises(InvalidBundleError, match=f"{name} is a link" if kind == "link" else name):
        read_bundle(folder)
