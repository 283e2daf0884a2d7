"""The same work the usual way: MONAI transforms, PyTorch windows, nearest masks, rt-utils.

The same network with the same weights, read back from the released ONNX file. There is no
localizer: the whole body is cropped by MONAI's foreground transform, as its bundles do.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
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

from models.bundles import RELEASED, read_bundle
from models.networks.residual_unet import ConvolutionBlock, ResidualBlock
from models.training.plans import PLANS

BUNDLE = read_bundle(RELEASED / "hn-oar")
CARD = BUNDLE.card.segmenter


def released_network() -> nn.Module:
    """The segmenter in PyTorch, batch normalisation folded into the convolutions as in ONNX."""
    graph = onnx.load(BUNDLE.folder / CARD.artifact).graph
    tensors = {t.name.removesuffix(".half"): numpy_helper.to_array(t) for t in graph.initializer}
    network = PLANS["segmenter"].network()
    _drop_normalisation(network)
    convolutions = iter(_in_order_of_use(network))
    for node in graph.node:
        if node.op_type in ("Conv", "ConvTranspose"):
            layer = next(convolutions)
            layer.weight = nn.Parameter(torch.tensor(tensors[node.input[1]]).float())
            layer.bias = nn.Parameter(torch.tensor(tensors[node.input[2]]).float())
    return network.eval()


def _drop_normalisation(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, ConvolutionBlock):
            module[1] = nn.Identity()
        elif isinstance(module, ResidualBlock):
            module.first_norm, module.second_norm = nn.Identity(), nn.Identity()
            if isinstance(module.shortcut, nn.Sequential):
                module.shortcut[1] = nn.Identity()


def _in_order_of_use(network: nn.Module) -> list[Any]:
    used: list[Any] = []
    layers = [m for m in network.modules() if isinstance(m, nn.Conv3d | nn.ConvTranspose3d)]
    hooks = [
        layer.register_forward_hook(lambda module, *_: used.append(module)) for layer in layers
    ]
    with torch.no_grad():
        network.eval()(torch.zeros(1, 1, 16, 16, 16))
    for hook in hooks:
        hook.remove()
    return used


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    seconds[stage] = time.perf_counter() - started


def contour(folder: Path, network: nn.Module) -> dict[str, float]:
    """Contour a series into a temporary RTSTRUCT; seconds per stage."""
    seconds: dict[str, float] = {}
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
    with _timed(seconds, "read and preprocess"):
        data = preprocess({"image": str(folder)})
    with _timed(seconds, "network"), torch.no_grad():
        image = data["image"].permute(0, 3, 2, 1)[None].as_tensor()
        logits = sliding_window_inference(
            image, CARD.window, 1, network, overlap=CARD.overlap, mode="gaussian"
        )
    with _timed(seconds, "masks on the CT's grid"):
        labels = logits[0].argmax(dim=0, keepdim=True).permute(0, 3, 2, 1)
        kept = mt.KeepLargestConnectedComponent(is_onehot=False)(labels)
        data["pred"] = MetaTensor(kept.float(), meta=data["image"].meta)
        data["pred"].applied_operations = data["image"].applied_operations
        inverted = mt.Invertd("pred", preprocess, orig_keys="image", nearest_interp=True)(data)
        mask = np.asarray(inverted["pred"][0]).round().astype(np.uint8)  # (column, row, slice)
    with _timed(seconds, "RTSTRUCT"), TemporaryDirectory() as output:
        structure_set = RTStructBuilder.create_new(dicom_series_path=str(folder))
        for structure in BUNDLE.card.structures:
            found = np.ascontiguousarray(mask.transpose(1, 0, 2) == structure.label)
            if found.any():
                structure_set.add_roi(mask=found, name=structure.name)
        structure_set.save(str(Path(output) / "usual.dcm"))
    return seconds


def main() -> None:
    """Answer each line on stdin with seconds per stage and peak memory, as JSON."""
    folder, threads = Path(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(threads)
    network = None
    for _ in sys.stdin:
        seconds: dict[str, float] = {}
        with _timed(seconds, "load model"):
            network = network or released_network()
        seconds |= contour(folder, network)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        sys.stdout.write(json.dumps({"seconds": seconds, "peak_bytes": peak}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
