"""The same work the usual way: MONAI transforms, PyTorch windows, nearest masks, rt-utils.

The same network with the same weights, read back from the released ONNX file. There is no
localizer: the whole body is cropped by MONAI's foreground transform, as its bundles do.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import monai.transforms as mt
import numpy as np
import onnx
import torch
from monai.data import MetaTensor
from monai.inferers import sliding_window_inference
from onnx import numpy_helper
from rt_utils import RTStructBuilder
from torch import nn

from benchmarks.turns import Stopwatch, answer
from models.bundles import RELEASED, read_bundle
from models.networks.residual_unet import ConvolutionBlock, ResidualBlock
from models.networks.zoo import build_network
from models.training.recipe_file import read_recipe

BUNDLE = read_bundle(RELEASED / "hn-oar")
CARD = BUNDLE.card.segmenter


def released_network() -> nn.Module:
    """The segmenter in PyTorch, batch normalisation folded into the convolutions as in ONNX."""
    graph = onnx.load(BUNDLE.folder / CARD.artifact).graph
    tensors = {t.name.removesuffix(".half"): numpy_helper.to_array(t) for t in graph.initializer}
    recipe = read_recipe("hn-oar-segmenter")
    network = build_network(recipe.network.name, recipe.classes, recipe.network.arguments)
    _drop_normalisation(network)
    for node in graph.node:
        if node.op_type in ("Conv", "ConvTranspose"):
            _, weight, bias = node.input
            layer: Any = network.get_submodule(weight.removesuffix(".weight"))
            layer.weight = nn.Parameter(torch.tensor(tensors[weight]).float())
            layer.bias = nn.Parameter(torch.tensor(tensors[bias]).float())
    return network.eval()


def _drop_normalisation(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, ConvolutionBlock):
            module[1] = nn.Identity()
        elif isinstance(module, ResidualBlock):
            module.first_norm, module.second_norm = nn.Identity(), nn.Identity()
            if isinstance(module.shortcut, nn.Sequential):
                module.shortcut[1] = nn.Identity()


def contour(folder: Path, network: nn.Module, watch: Stopwatch) -> None:
    """Contour a series into a temporary RTSTRUCT."""
    z, y, x = (float(mm) for mm in CARD.spacing_mm or ())
    low, high = CARD.intensity.hu_range
    preprocess = mt.Compose(
        [
            mt.LoadImaged("image", reader="PydicomReader"),
            mt.EnsureChannelFirstd("image"),
            mt.Orientationd("image", axcodes="LPS", labels=None),
            mt.Spacingd("image", pixdim=(x, y, z), mode="bilinear"),
            mt.CropForegroundd("image", source_key="image", select_fn=lambda hu: hu > -500),
            mt.ScaleIntensityRanged("image", low, high, -1.0, 1.0, clip=True),
        ]
    )
    with watch.stage("read and preprocess"):
        data = preprocess({"image": str(folder)})
    with watch.stage("network"), torch.no_grad():
        image = data["image"].permute(0, 3, 2, 1)[None].as_tensor()
        logits = sliding_window_inference(
            image, CARD.window, 1, network, overlap=CARD.overlap, mode="gaussian"
        )
    with watch.stage("masks on the CT's grid"):
        labels = logits[0].argmax(dim=0, keepdim=True).permute(0, 3, 2, 1)
        kept = mt.KeepLargestConnectedComponent(is_onehot=False)(labels)
        data["pred"] = MetaTensor(kept.float(), meta=data["image"].meta)
        data["pred"].applied_operations = data["image"].applied_operations
        inverted = mt.Invertd("pred", preprocess, orig_keys="image", nearest_interp=True)(data)
        mask = np.asarray(inverted["pred"][0]).round().astype(np.uint8)  # (column, row, slice)
    with watch.stage("RTSTRUCT"), TemporaryDirectory() as output:
        structure_set = RTStructBuilder.create_new(dicom_series_path=str(folder))
        for structure in BUNDLE.card.structures:
            found = np.ascontiguousarray(mask.transpose(1, 0, 2) == structure.label)
            if found.any():
                structure_set.add_roi(mask=found, name=structure.name)
        structure_set.save(str(Path(output) / "usual.dcm"))


def main() -> None:
    """Serve `benchmarks.turns`."""
    folder, threads = Path(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(threads)
    opened: list[nn.Module] = []

    def work(watch: Stopwatch) -> None:
        with watch.stage("open"):
            if not opened:
                opened.append(released_network())
        contour(folder, opened[0], watch)

    answer(work)


if __name__ == "__main__":
    main()
