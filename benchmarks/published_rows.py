"""What papers report for OpenKBP: the rows that ours stand beside."""

from __future__ import annotations

from dataclasses import dataclass

FIVE = ("Brainstem", "SpinalCord", "Parotid_R", "Parotid_L", "Mandible")


@dataclass(frozen=True)
class PublishedRow:
    """`dice`: in the order of `FIVE`; `hausdorff`, `mean_surface_distance`: without a unit."""

    network: str
    mean_dice: float
    hausdorff: float
    mean_surface_distance: float
    dice: tuple[float, float, float, float, float]


# Srivastava et al., "An Efficient Multi-Scale Fusion Network for 3D Organ at Risk (OAR)
# Segmentation", arXiv 2208.07417, table I.
PUBLISHED = (
    PublishedRow("UNet-3D", 0.7781, 5.0662, 0.6839, (0.7941, 0.7444, 0.7416, 0.7601, 0.8503)),
    PublishedRow("AttUNet", 0.7811, 4.9981, 0.6024, (0.7919, 0.7439, 0.7394, 0.7691, 0.8611)),
    PublishedRow("DynUNet", 0.7931, 6.3316, 0.6460, (0.7958, 0.7521, 0.7696, 0.7731, 0.8747)),
    PublishedRow("UNETR", 0.7810, 9.5582, 0.8527, (0.7791, 0.7339, 0.7610, 0.7692, 0.8616)),
    PublishedRow("SwinUNETR", 0.7986, 6.7520, 0.6409, (0.8085, 0.7604, 0.7706, 0.7723, 0.8813)),
    PublishedRow("3D-MSF", 0.7870, 5.5505, 0.6152, (0.7903, 0.7478, 0.7498, 0.7816, 0.8655)),
    PublishedRow(
        "OARFocalFuseNet", 0.7995, 5.1435, 0.5743, (0.8031, 0.7402, 0.7725, 0.7987, 0.8832)
    ),
)
