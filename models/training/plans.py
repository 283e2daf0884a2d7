"""How each stage of the released head-and-neck cascade is trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from contouring.recipe import IntensityRule
from models.networks.pconv_localizer import PConvLocalizer
from models.networks.residual_unet import ResidualUNet
from models.training.cases import STRUCTURES
from models.training.losses import drawn_dice_loss, localizer_loss, marginal_cross_entropy
from models.training.patches import PatchPlan

LOCALIZER_GROWTH_VOXELS = 2  # 8 mm
LOCALIZER_IGNORE_VOXELS = 7  # 28 mm: the larynx and oesophagus lie that near to what is drawn
# Low in contrast and drawn in a third of the cases: without emphasis it is never found at all.
RARE_STRUCTURE = "Esophagus"
RARE_WEIGHT = 10.0
HEAD_AND_NECK_HU = IntensityRule(hu_range=(-250.0, 550.0))


@dataclass(frozen=True)
class TrainingPlan:
    """Network, patches, loss and optimiser settings of one stage."""

    network: Callable[[], nn.Module]
    patches: PatchPlan
    loss: Callable[[Tensor, Tensor, Tensor], Tensor]
    batch: int
    learning_rate: float
    whole_scan: bool
    multiple_of: int
    memory_format: torch.memory_format
    emphasis: dict[str, float] = field(default_factory=dict)  # how often a case is drawn, if drawn


def _localizer_loss(logits: Tensor, labels: Tensor, is_drawn: Tensor) -> Tensor:
    return localizer_loss(
        logits, labels, is_drawn, LOCALIZER_GROWTH_VOXELS, LOCALIZER_IGNORE_VOXELS
    )


def _segmenter_loss(logits: Tensor, labels: Tensor, is_drawn: Tensor) -> Tensor:
    return marginal_cross_entropy(logits, labels, is_drawn) + drawn_dice_loss(
        logits, labels, is_drawn
    )


def _tuning_loss(logits: Tensor, labels: Tensor, is_drawn: Tensor) -> Tensor:
    weights = torch.ones(logits.shape[1])
    weights[STRUCTURES.index(RARE_STRUCTURE) + 1] = RARE_WEIGHT
    return marginal_cross_entropy(logits, labels, is_drawn, weights) + drawn_dice_loss(
        logits, labels, is_drawn
    )


def _segmenter() -> nn.Module:
    return ResidualUNet(classes=len(STRUCTURES) + 1, widths=(16, 40, 80, 112, 128))


LOCALIZER = TrainingPlan(
    network=PConvLocalizer,
    patches=PatchPlan((128, 128, 128), (4.0, 4.0, 4.0), 60.0, HEAD_AND_NECK_HU, binary=True),
    loss=_localizer_loss,
    batch=1,
    learning_rate=2e-3,
    whole_scan=True,
    multiple_of=32,
    memory_format=torch.contiguous_format,
)
SEGMENTER = TrainingPlan(
    network=_segmenter,
    patches=PatchPlan((64, 48, 48), (3.0, 4.0, 4.0), 20.0, HEAD_AND_NECK_HU),
    loss=_segmenter_loss,
    batch=2,
    learning_rate=3e-3,
    whole_scan=False,
    multiple_of=16,
    memory_format=torch.channels_last_3d,  # an eighth faster here, on AVX2
)
PLANS = {
    "localizer": LOCALIZER,
    "segmenter": SEGMENTER,
    # Starts from the segmenter's weights (--initial) and keeps its network and patches.
    "segmenter-tuning": replace(
        SEGMENTER, loss=_tuning_loss, learning_rate=1e-3, emphasis={RARE_STRUCTURE: 3.0}
    ),
}
