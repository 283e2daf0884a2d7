"""Every network under the name that recipes call it by.

Builders import what they need only when they are called: MONAI's networks cost seconds to import.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any

from torch import nn

Builder = Callable[..., nn.Module]


class UnknownNetworkError(ValueError):
    """No network has this name, or it does not take these arguments."""


def _own(module: str, network: str) -> Builder:
    """A network of this package: `network(classes, **arguments)`."""

    def build(classes: int, **arguments: Any) -> nn.Module:
        built: nn.Module = getattr(import_module(f"models.networks.{module}"), network)(
            classes, **arguments
        )
        return built

    return build


def _monai(network: str, **fixed: Any) -> Builder:
    """A network of MONAI's: one channel in, `classes` out; `arguments` win over `fixed`."""

    def build(classes: int, **arguments: Any) -> nn.Module:
        constructor = getattr(import_module("monai.networks.nets"), network)
        built: nn.Module = constructor(
            in_channels=1, out_channels=classes, **(dict(fixed) | arguments)
        )
        return built

    return build


NETWORKS: Mapping[str, Builder] = MappingProxyType(
    {
        "pconv-localizer": _own("pconv_localizer", "PConvLocalizer"),
        "scale-aware-segmenter": _own("scale_aware_segmenter", "ScaleAwareSegmenter"),
        "oarfocalfusenet": _own("focal_fuse", "OARFocalFuseNet"),
        "3d-msf": _own("multi_scale_fusion", "MultiScaleFusionNetwork"),
        "cascaded-fcn": _own("cascaded_fcn", "CascadedFcn"),
        "mcfnet": _own("mcfnet", "MCFNet"),
        "residual-unet": _own("residual_unet", "ResidualUNet"),
        # A 3D U-Net with residual units, as MONAI's own tutorials build it.
        "unet": _monai(
            "UNet",
            spatial_dims=3,
            channels=(16, 32, 64, 128, 256),
            strides=(2, 2, 2, 2),
            num_res_units=2,
        ),
        # nnU-Net's plan for a window of 96 or 128: 32 to 320 channels, instance normalisation.
        "dynunet": _monai(
            "DynUNet",
            spatial_dims=3,
            kernel_size=(3, 3, 3, 3, 3),
            strides=(1, 2, 2, 2, 2),
            upsample_kernel_size=(2, 2, 2, 2),
            filters=(32, 64, 128, 256, 320),
        ),
        "swinunetr": _monai("SwinUNETR", feature_size=48),
    }
)


def build_network(name: str, classes: int, arguments: Mapping[str, Any] | None = None) -> nn.Module:
    """The network `name` with `classes` outputs, background first, and the builder's `arguments`.

    Raises `UnknownNetworkError` where the name or an argument is not known.
    """
    if name not in NETWORKS:
        raise UnknownNetworkError(f"there is no network {name!r}; known: {', '.join(NETWORKS)}")
    try:
        return NETWORKS[name](classes, **dict(arguments or {}))
    except TypeError as error:
        raise UnknownNetworkError(f"network {name!r} does not take this: {error}") from None
