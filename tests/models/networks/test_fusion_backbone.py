"""What OARFocalFuseNet and 3D-MSF share, and what is asked of both."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the training extra")

from torch import Tensor, nn  # noqa: E402 - torch may be missing outside CI
from torch.nn import functional  # noqa: E402

from models.networks.cost import measure_cost  # noqa: E402
from models.networks.focal_fuse import OARFocalFuseNet  # noqa: E402
from models.networks.fusion_backbone import FusionBackbone, ScaleFusion, fused_widths  # noqa: E402
from models.networks.multi_scale_fusion import MultiScaleFusionNetwork  # noqa: E402
from tests.models.networks.one_case import in_noise, learn_by_heart  # noqa: E402

SCALES = range(4)
SMALL_WIDTH = 4
WINDOW = (64, 48, 48)
OPENKBP_CLASSES = 8


def small_networks(width: int = SMALL_WIDTH, focal_levels: int = 2) -> list[FusionBackbone]:
    """Both networks, narrower than published and with fewer layers of exchange."""
    torch.manual_seed(1)
    return [
        OARFocalFuseNet(3, width, focal_levels),
        MultiScaleFusionNetwork(3, width, fusion_layers=2),
    ]


def noise_levels(widths: list[int], finest: int = 16) -> list[Tensor]:
    """One feature map for each scale, each half the size of the one before."""
    return [
        torch.randn(1, width, *(3 * (finest // 2**scale,))) for scale, width in enumerate(widths)
    ]


@pytest.mark.parametrize(
    ("network", "parameters", "multiply_adds"),
    [
        pytest.param(OARFocalFuseNet, 6.21e6, 8.25e9, id="oarfocalfusenet"),
        pytest.param(MultiScaleFusionNetwork, 6.11e6, 7.80e9, id="3d-msf"),
    ],
)
def test_a_network_costs_what_its_docstring_says(
    network: type[FusionBackbone], parameters: float, multiply_adds: float
) -> None:
    """The paper gives no counts; a layer lost or doubled shows in ours."""
    cost = measure_cost(network(OPENKBP_CLASSES), WINDOW)

    assert cost.parameters == pytest.approx(parameters, rel=1e-3)
    assert cost.multiply_adds == pytest.approx(multiply_adds, rel=1e-3)


@pytest.mark.parametrize("network", small_networks())
def test_every_parameter_receives_a_gradient(network: FusionBackbone) -> None:
    """A parameter without one is dead weight in the file and in the count."""
    logits = network(torch.randn(2, 1, 32, 16, 16))

    logits.square().mean().backward()

    silent = [
        name
        for name, parameter in network.named_parameters()
        if parameter.grad is None or not parameter.grad.abs().max() > 0
    ]
    assert silent == []


@pytest.mark.parametrize("shape", [(32, 16, 16), (16, 48, 32)])
@pytest.mark.parametrize("network", small_networks())
def test_the_logits_lie_on_the_grid_of_the_image(
    network: FusionBackbone, shape: tuple[int, int, int]
) -> None:
    """Windows need not be cubes: each axis may be any multiple of 16."""
    logits = network(torch.randn(2, 1, *shape))

    assert logits.shape == (2, 3, *shape)


@pytest.mark.parametrize("network", small_networks())
def test_every_scale_hears_of_every_other(network: FusionBackbone) -> None:
    """Fusing all four resolutions is what both networks are for."""
    levels = noise_levels(fused_widths(SMALL_WIDTH))

    with torch.no_grad():
        before = network.fusion(levels)
        for source in SCALES:
            changed = [level + (scale == source) for scale, level in enumerate(levels)]
            after = network.fusion(changed)

            assert all(
                not torch.allclose(old, new, atol=1e-3)
                for old, new in zip(before, after, strict=True)
            )


@pytest.mark.parametrize("target", SCALES)
def test_fusing_by_parts_is_the_convolution_over_the_concatenation(target: int) -> None:
    """Equation 2 concatenates on the target's grid first; we must not compute something else."""
    torch.manual_seed(2)
    widths = fused_widths(SMALL_WIDTH)
    fusion = ScaleFusion(list(enumerate(widths)), target, widths[target])
    levels = noise_levels(widths)
    weights = torch.cat([part.project.weight for part in fusion.alignments], dim=1)
    for part in fusion.alignments:
        part.project = nn.Identity()

    aligned = [part(level) for part, level in zip(fusion.alignments, levels, strict=True)]
    expected = functional.conv3d(torch.cat(aligned, dim=1), weights)
    for part, weight in zip(fusion.alignments, weights.split(widths, dim=1), strict=True):
        part.project = nn.Conv3d(*weight.shape[1::-1], 1, bias=False)
        part.project.weight = nn.Parameter(weight)

    torch.testing.assert_close(fusion(levels), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("target", SCALES)
@pytest.mark.parametrize("source", SCALES)
def test_alignment_leaves_features_where_they_are(source: int, target: int) -> None:
    """A lump at a place of one scale must arrive at that place of another, within a voxel."""
    torch.manual_seed(3)
    alignment = ScaleFusion([(source, 1)], target, 1).alignments[0]
    for parameter in alignment.parameters():
        nn.init.constant_(parameter, float(parameter.dim() > 1))
    lump = torch.zeros(1, 1, *(3 * (64 >> source,)))
    lump[:, :, (24 >> source) : (40 >> source), (16 >> source) : (32 >> source)] = 1.0

    with torch.no_grad():
        moved = alignment(lump)[0, 0]

    voxel = 2**target  # in voxels of the finest scale
    for axis, centre in enumerate((32.0, 24.0)):
        places = (torch.arange(len(moved)) + 0.5) * voxel
        profile = moved.sum(dim=[other for other in range(3) if other != axis])
        found = float((places * profile).sum() / profile.sum())
        assert abs(found - centre) <= max(2**source, voxel)


def test_the_image_survives_an_untrained_fusion() -> None:
    """With PyTorch's own initialisation nothing but the biases is left after two focal levels."""
    torch.manual_seed(4)
    fusion = OARFocalFuseNet(2, SMALL_WIDTH).fusion
    contexts = noise_levels(fused_widths(SMALL_WIDTH))

    with torch.no_grad():
        for level in fusion.levels:
            contexts = level(contexts)

    for context in contexts:
        assert context.std(dim=(2, 3, 4)).mean() > 0.1


@pytest.mark.parametrize("network", small_networks(width=8))
def test_a_network_learns_one_case_by_heart(network: FusionBackbone) -> None:
    """A network that cannot overfit is wired wrongly."""
    torch.manual_seed(5)
    labels = torch.zeros(1, 32, 16, 16, dtype=torch.long)
    labels[:, 6:22, 2:7, 4:12] = 1
    labels[:, 10:28, 9:14, 4:12] = 2
    image = in_noise(labels, (0.0, -1.0, 1.0))

    predicted = learn_by_heart(network, image, labels, rate=1e-2, steps=30)

    for structure in (1, 2):
        mask, truth = predicted == structure, labels == structure
        assert 2 * (mask & truth).sum() / (mask.sum() + truth.sum()) > 0.9


@pytest.mark.parametrize("network", small_networks(focal_levels=1))
def test_the_exported_graph_answers_alike_for_any_batch(network: FusionBackbone) -> None:
    """What a bundle runs is the graph; its window is fixed, as instance normalisation demands."""
    pytest.importorskip("onnxscript", reason="needs the training extra")
    from tests.models.networks.exported_graph import export_graph, largest_differences

    graph = export_graph(network, torch.randn(2, 1, 32, 16, 16), {0: torch.export.Dim("batch")})

    images = [torch.randn(batch, 1, 32, 16, 16) for batch in (1, 3)]
    assert max(largest_differences(network, graph, images)) < 1e-4
