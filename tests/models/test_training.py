"""Training on made cases: labels that are missing, patches, resuming, export."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the training extra")

from torch import nn  # noqa: E402 - torch may be missing outside CI

from contouring.rasters import dice  # noqa: E402
from contouring.recipe import IntensityRule  # noqa: E402
from models.export.onnx_export import export_network, largest_difference  # noqa: E402
from models.networks.pconv_localizer import PConvLocalizer  # noqa: E402
from models.networks.residual_unet import ResidualUNet  # noqa: E402
from models.training import train as training  # noqa: E402
from models.training.case_series import enlarged  # noqa: E402
from models.training.cases import AIR_HU, STRUCTURES, TrainingCase  # noqa: E402
from models.training.losses import (  # noqa: E402
    drawn_dice_loss,
    localizer_loss,
    marginal_cross_entropy,
)
from models.training.patches import PAROTID_L, PAROTID_R, CaseSampler, PatchPlan  # noqa: E402
from models.training.plans import PLANS  # noqa: E402

CHANNELS = len(STRUCTURES) + 1
PAPER_LOCALIZER_PARAMETERS = 1.38e6  # Lyu et al., table 2
SMALL_PATCHES = PatchPlan((32, 32, 32), (3.0, 4.0, 4.0), 5.0, IntensityRule((-250.0, 550.0)))


def made_case(drawn: tuple[str, ...] = STRUCTURES) -> TrainingCase:
    """Soft tissue with a bright right and a dark left block where the parotids would be."""
    hu = np.full((40, 40, 40), AIR_HU, np.int16)
    hu[4:36, 4:36, 4:36] = 40
    labels = np.zeros(hu.shape, np.uint8)
    labels[15:25, 15:25, 8:14], hu[15:25, 15:25, 8:14] = PAROTID_R, 300
    labels[15:25, 15:25, 26:32], hu[15:25, 15:25, 26:32] = PAROTID_L, -150
    is_drawn = np.array([True, *(name in drawn for name in STRUCTURES)])
    return TrainingCase("made", hu, labels, (3.0, 4.0, 4.0), is_drawn)


def test_marginal_cross_entropy_is_plain_where_everything_was_drawn() -> None:
    """With complete labels nothing is special."""
    logits = torch.randn(2, CHANNELS, 4, 4, 4, generator=torch.manual_seed(1))
    labels = torch.randint(0, CHANNELS, (2, 4, 4, 4), generator=torch.manual_seed(2))

    loss = marginal_cross_entropy(logits, labels, torch.ones(2, CHANNELS, dtype=torch.bool))

    assert torch.allclose(loss, nn.functional.cross_entropy(logits, labels))


def test_an_undrawn_structure_may_stand_in_the_background() -> None:
    """Predicting it where nothing is labelled must cost nothing; a drawn one must cost."""
    logits = torch.full((1, CHANNELS, 2, 2, 2), -20.0)
    logits[:, PAROTID_L] = 20.0
    background = torch.zeros(1, 2, 2, 2, dtype=torch.long)
    everything = torch.ones(1, CHANNELS, dtype=torch.bool)
    without_left = everything.clone()
    without_left[0, PAROTID_L] = False

    assert float(marginal_cross_entropy(logits, background, without_left)) < 1e-3
    assert float(marginal_cross_entropy(logits, background, everything)) > 10


def test_dice_loss_leaves_out_what_was_not_drawn() -> None:
    """A perfect answer for the drawn structure is no loss, whatever is said of the others."""
    labels = torch.zeros(1, 8, 8, 8, dtype=torch.long)
    labels[:, :4] = PAROTID_R
    logits = torch.full((1, CHANNELS, 8, 8, 8), -30.0)
    logits[:, PAROTID_R, :4] = 30.0
    logits[:, PAROTID_L, 4:] = 30.0
    only_right = torch.zeros(1, CHANNELS, dtype=torch.bool)
    only_right[0, [0, PAROTID_R]] = True

    assert float(drawn_dice_loss(logits, labels, only_right)) < 1e-3
    assert float(drawn_dice_loss(logits, labels, torch.ones_like(only_right))) > 0.1


def test_the_localizer_is_not_blamed_near_an_incomplete_drawing() -> None:
    """Foreground next to the drawn structures may be one that was not drawn."""
    labels = torch.zeros(1, 16, 16, 16, dtype=torch.long)
    labels[:, 6:10, 6:10, 6:10] = 1
    margin = torch.full((16, 16, 16), -30.0)
    margin[4:12, 4:12, 4:12] = 30.0  # two voxels more than was drawn
    logits = torch.stack([-margin, margin])[None] / 2
    complete = torch.ones(1, CHANNELS, dtype=torch.bool)
    incomplete = complete.clone()
    incomplete[0, PAROTID_L] = False

    lenient = float(localizer_loss(logits, labels, incomplete, growth=0, reach=3))
    strict = float(localizer_loss(logits, labels, complete, growth=0, reach=3))

    assert lenient < 1e-3 < 0.5 < strict


def test_a_patch_shows_labels_where_its_image_shows_them() -> None:
    """Turned, mirrored and scaled alike, and right stays on the right."""
    sampler = CaseSampler(made_case(), SMALL_PATCHES)

    for seed in range(12):
        patch = sampler.draw(np.random.default_rng(seed))
        inner = patch.image[0]
        right, left = inner[patch.labels == PAROTID_R], inner[patch.labels == PAROTID_L]
        assert len(right) > 50
        assert len(left) > 50
        # A mirrored patch swaps the names, so that right stays on the right.
        columns = [torch.nonzero(patch.labels == k)[:, 2].float().mean() for k in (3, 4)]
        assert columns[0] < columns[1]
        assert abs(float(right.mean() - left.mean())) > 0.6


def test_the_central_patch_is_the_case_itself() -> None:
    """Without augmentation and on the case's own spacing, labels come through unchanged."""
    case = made_case()

    patch = CaseSampler(case, SMALL_PATCHES).central()

    expected = case.labels[4:36, 4:36, 4:36]
    assert dice(patch.labels.numpy() == PAROTID_R, expected == PAROTID_R) > 0.95


def test_an_enlarged_case_keeps_its_structures_in_place() -> None:
    """Four times the pixels, the same field of view: volumes and centres stay."""
    case = made_case()

    fine = enlarged(case, 160)

    volumes = [float((c.labels == 3).sum() * np.prod(c.spacing_zyx_mm)) for c in (case, fine)]
    centres = [
        (np.argwhere(c.labels == 3).mean(axis=0)[1:] + 0.5) * c.spacing_zyx_mm[1:]
        for c in (case, fine)
    ]
    assert volumes[1] == pytest.approx(volumes[0], rel=0.05)
    assert centres[1] == pytest.approx(centres[0], abs=0.3)


@pytest.mark.parametrize("stage", sorted(PLANS))
def test_a_network_answers_with_a_logit_per_class_and_voxel(stage: str) -> None:
    """The window's shape in, the window's shape out, also for another window."""
    network = PLANS[stage].network().eval()
    channels = 2 if stage == "localizer" else CHANNELS

    with torch.no_grad():
        answer = network(torch.zeros(1, 1, 32, 64, 32))

    assert answer.shape == (1, channels, 32, 64, 32)


def test_the_localizer_is_as_small_as_the_papers() -> None:
    """The paper counts 1.38 million parameters."""
    count = sum(parameter.numel() for parameter in PConvLocalizer().parameters())

    assert count == pytest.approx(PAPER_LOCALIZER_PARAMETERS, rel=0.03)


def test_an_exported_network_answers_as_pytorch_does() -> None:
    """An export is finished when its outputs have been compared."""
    torch.manual_seed(0)
    network = ResidualUNet(CHANNELS, widths=(8, 16, 24)).eval()

    model = export_network(network, torch.rand(1, 1, 16, 16, 16))

    assert largest_difference(network, model, torch.rand(1, 1, 32, 16, 24) * 2 - 1) < 0.02
    with torch.no_grad():
        network.head.bias += 1.0
    assert largest_difference(network, model, torch.rand(1, 1, 16, 16, 16)) > 0.9


def test_a_resumed_run_ends_where_an_unbroken_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long runs are broken off; what they have learned must not depend on it."""
    plan = replace(
        PLANS["segmenter"],
        network=lambda: ResidualUNet(CHANNELS, widths=(4, 8)),
        patches=SMALL_PATCHES,
        batch=1,
    )
    monkeypatch.setattr(training, "read_cases", lambda *_: [made_case(), made_case(("Parotid_R",))])
    monkeypatch.setattr(training, "CHECKPOINT_EVERY", 2)

    training.train(plan, tmp_path, tmp_path / "unbroken", steps=4, seed=5, bf16=False)
    _train_and_break_off(plan, tmp_path / "resumed", monkeypatch)
    training.train(plan, tmp_path, tmp_path / "resumed", steps=4, seed=5, bf16=False)

    first, second = (
        torch.load(tmp_path / name / "checkpoint.pt", weights_only=True)["network"]
        for name in ("unbroken", "resumed")
    )
    assert all(torch.allclose(first[key], second[key], atol=1e-6) for key in first)


def _train_and_break_off(
    plan: training.TrainingPlan, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = training._report

    def report_and_stop(*values: object) -> None:
        report(*values)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(training, "_report", report_and_stop)
        with pytest.raises(KeyboardInterrupt):
            training.train(plan, work.parent, work, steps=4, seed=5, bf16=False)
