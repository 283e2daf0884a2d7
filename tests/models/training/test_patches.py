"""Patches: the image and the labels of the same place, however they are turned."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the training extra")

from contouring.lattice import averaging_matrix  # noqa: E402 - torch may be missing
from contouring.recipe import IntensityRule, PercentileRule  # noqa: E402
from models.training.cases import AIR_HU, TrainingCase  # noqa: E402
from models.training.patch_places import sample_spacing_mm, whole_place  # noqa: E402
from models.training.patches import PatchSampler  # noqa: E402
from models.training.prepared_cases import PreparedCase, prepare_case  # noqa: E402
from models.training.recipe_file import Recipe  # noqa: E402
from tests.models.phantom_cases import SPACING_ZYX_MM, phantom_case  # noqa: E402
from tests.models.phantom_recipes import STRUCTURES, phantom_recipe  # noqa: E402

RIGHT, LEFT = STRUCTURES.index("Parotid_R") + 1, STRUCTURES.index("Parotid_L") + 1
CPU = torch.device("cpu")
PLAIN = {"hu_range": [-1000.0, 1000.0]}  # onto -1 to 1
EVERYTHING = {
    "rotation_deg": [12.0, 12.0, 12.0],
    "scale_range": [0.9, 1.1],
    "flips": ["x"],
    "shift_hu": 30.0,
    "gain": 0.08,
    "noise_hu": 30.0,
    "blur": 0.5,
    "fill": 0.5,
    "couch": 0.5,
    "cut": 0.5,
}


def made_case(drawn: tuple[str, ...] = STRUCTURES) -> TrainingCase:
    """A phantom whose parotids differ in brightness: dark on the right, bright on the left."""
    hu, labels = phantom_case("made", STRUCTURES, (40, 40, 40))
    is_drawn = np.array([True, *(name in drawn for name in STRUCTURES)])
    return TrainingCase("made", hu, labels, SPACING_ZYX_MM, is_drawn, STRUCTURES)


def prepared(recipe: Recipe, case: TrainingCase | None = None, **fields: Any) -> PreparedCase:
    """The case as patches are drawn from it."""
    return PreparedCase(**prepare_case(case or made_case(), recipe, **fields))


def test_a_patch_shows_labels_where_its_image_shows_them() -> None:
    """Turned, mirrored and scaled alike, and right stays on the right."""
    recipe = phantom_recipe(
        augmentation=EVERYTHING, patch=[32, 40, 40], sampling={"centre": "levels"}
    )
    sampler, case = PatchSampler(recipe, CPU), prepared(recipe)
    brighter = {True: 0, False: 0}  # whether the right one is: not in a mirrored patient

    for seed in range(12):
        patch = sampler.draw(case, np.random.default_rng(seed))
        right, left = (patch.image[0][patch.labels == k].mean() for k in (RIGHT, LEFT))
        columns = [torch.nonzero(patch.labels == k)[:, 2].float().mean() for k in (RIGHT, LEFT)]
        assert columns[0] < columns[1]
        assert abs(float(right - left)) > 0.4
        brighter[bool(right > left)] += 1

    assert min(brighter.values()) > 0


def test_a_patch_without_flips_is_never_mirrored() -> None:
    """Where only one side is drawn, patients stay as they are."""
    recipe = phantom_recipe(
        augmentation=EVERYTHING | {"flips": []}, patch=[32, 40, 40], sampling={"centre": "levels"}
    )
    sampler, case = PatchSampler(recipe, CPU), prepared(recipe)

    for seed in range(8):
        patch = sampler.draw(case, np.random.default_rng(seed))
        right, left = (patch.image[0][patch.labels == k] for k in (RIGHT, LEFT))
        assert right.mean() < left.mean()


def test_what_was_drawn_follows_the_mirrored_names() -> None:
    """The drawn right parotid is a left one in the mirror, and the undrawn one a right one."""
    recipe = phantom_recipe(patch=[16, 20, 20], augmentation={"flips": ["x"]})
    case = prepared(recipe, made_case(("Brainstem", "Parotid_R")))
    sampler = PatchSampler(recipe, CPU)

    seen = {tuple(sampler.draw(case, np.random.default_rng(s)).is_drawn.tolist()) for s in range(9)}

    assert seen == {(True, True, True, False), (True, True, False, True)}


def test_the_same_seed_draws_the_same_patch() -> None:
    """A resumed run must learn what an unbroken one would."""
    recipe = phantom_recipe(augmentation=EVERYTHING)
    sampler, case = PatchSampler(recipe, CPU), prepared(recipe)

    first, again, other = (sampler.draw(case, np.random.default_rng(seed)) for seed in (4, 4, 5))

    assert torch.equal(first.image, again.image)
    assert torch.equal(first.labels, again.labels)
    assert not torch.equal(first.image, other.image)


def test_the_whole_case_without_augmentation_is_the_case_itself() -> None:
    """On the case's own spacing, values and labels come through unchanged."""
    recipe = phantom_recipe(patch=[40, 40, 40])
    case = made_case()

    patch = PatchSampler(recipe, CPU).whole(prepared(recipe, case, whole=True))

    expected = IntensityRule((-250.0, 550.0)).apply(case.hu)
    assert np.array_equal(patch.labels.numpy(), case.labels)
    assert patch.image[0].numpy() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("seed", range(6))
def test_an_unturned_patch_shows_the_voxels_themselves(seed: int) -> None:
    """As the network is used: half a voxel off, it would learn from blurred images alone."""
    recipe = phantom_recipe(
        patch=[8, 12, 12],
        augmentation={"unturned": 1.0, "flips": ["z", "y"]},
        sampling={"centre": "levels", "jitter_mm": 7.3},
    )
    case = made_case()

    patch = PatchSampler(recipe, CPU).draw(prepared(recipe, case), np.random.default_rng(seed))

    values = np.unique(IntensityRule((-250.0, 550.0)).apply(case.hu))
    shown = patch.image[0].numpy()
    nearest = values[np.abs(shown[..., None] - values).argmin(axis=-1)]
    assert shown == pytest.approx(nearest, abs=1e-4)


def test_a_case_that_is_filled_up_still_lies_on_its_voxels() -> None:
    """By an odd number of voxels, too."""
    recipe = phantom_recipe(patch=[16, 16, 16], multiple_of=16)
    case = prepared(recipe, made_case(), whole=True)

    place = whole_place(recipe, case)

    assert place.shape_zyx == (48, 48, 48)
    for axis in range(3):
        index = place.sample_index(case, axis)
        assert torch.allclose(index, index.round(), atol=1e-6)


@pytest.mark.parametrize("spacing", [[6.0, 8.0, 8.0], [5.0, 4.0, 10.0]])
def test_coarse_samples_are_averaged_as_when_the_network_is_used(spacing: list[float]) -> None:
    """Noise that a network learned from, and is never shown, would make it another network's."""
    recipe = phantom_recipe(spacing_mm=spacing, patch=[12, 12, 12], intensity=PLAIN)
    noise = np.random.default_rng(0).normal(0, 100, (40, 40, 40)).astype(np.int16)
    case = prepared(recipe, replace(made_case(), hu=noise), whole=True)
    place = whole_place(recipe, case)

    image = PatchSampler(recipe, CPU).whole(case, place).image[0].numpy()

    served = noise.astype(np.float64)
    for axis, (samples, sample_mm) in enumerate(zip(place.shape_zyx, spacing, strict=True)):
        wanted = place.centre_mm[axis] + (np.arange(samples) - (samples - 1) / 2) * sample_mm
        weights = averaging_matrix(np.arange(40) * SPACING_ZYX_MM[axis], wanted)
        served = np.moveaxis(np.tensordot(weights, served, (1, axis)), 0, axis)
    inner = (slice(3, -3),) * 3  # beyond the scan's ends a patch has air
    assert np.std(image[inner] * 1000 - served[inner]) < 0.2 * np.std(served[inner])


def test_voxels_near_the_recipe_s_spacing_are_learned_from_as_they_are() -> None:
    """As the network is used: resampled only along the axis that is further off."""
    recipe = phantom_recipe(spacing_mm=[2.5, 4.2, 4.2], own_within=1.4)
    case = replace(prepared(recipe), spacing_zyx_mm=(4.0, 4.0, 3.0))

    assert sample_spacing_mm(recipe, case) == (2.5, 4.0, 3.0)


def test_a_case_without_labels_is_shown_whole_where_others_are_cut() -> None:
    """There is nothing to cut around; a drawn structure may lie outside of the scan."""
    recipe = phantom_recipe(augmentation={"cut": 1.0})
    case = prepared(recipe, replace(made_case(), labels=np.zeros((40, 40, 40), np.uint8)))

    patch = PatchSampler(recipe, CPU).draw(case, np.random.default_rng(0))

    assert not patch.labels.any()
    assert patch.image.max() > 0


def test_percentiles_are_those_of_the_whole_scan() -> None:
    """A patch of bone alone must not look like soft tissue (Lyu et al., section 2.1)."""
    recipe = phantom_recipe(
        intensity={"percentiles": [5.0, 95.0]}, patch=[40, 40, 40], sampling={"centre": "levels"}
    )
    case = made_case()
    empty = np.concatenate([np.full((60, 40, 40), AIR_HU, np.int16), case.hu])
    long_case = replace(case, hu=empty, labels=np.pad(case.labels, ((60, 0), (0, 0), (0, 0))))

    patch = PatchSampler(recipe, CPU).whole(prepared(recipe, long_case))

    rule = PercentileRule((5.0, 95.0)).for_scan(long_case.hu)
    assert patch.image.max() == pytest.approx(rule.output_range[1], abs=1e-4)
    assert len(patch.image[0]) < 100  # the case itself was cropped


def test_three_of_four_patches_are_around_a_structure() -> None:
    """The ratio of the paper, with patches as small as that it can be seen."""
    recipe = phantom_recipe(patch=[4, 4, 4], augmentation={}, sampling={"foreground_share": 0.75})
    sampler, case = PatchSampler(recipe, CPU), prepared(recipe)
    rng = np.random.default_rng(0)

    hits = [bool(sampler.draw(case, rng).labels.any()) for _ in range(200)]

    assert 0.65 < np.mean(hits) < 0.9


def test_a_patch_lies_within_the_scan_where_it_fits() -> None:
    """As windows do when the network is used."""
    recipe = phantom_recipe(patch=[40, 40, 40], augmentation={})
    case = prepared(recipe)
    middle = PatchSampler(recipe, CPU).whole(case)

    drawn = PatchSampler(recipe, CPU).draw(case, np.random.default_rng(3))

    assert torch.allclose(drawn.image, middle.image, atol=1e-4)


def test_a_scan_by_shape_is_seen_from_its_first_voxel_to_its_last() -> None:
    """128 cubed means the whole scan, whatever its spacing."""
    recipe = phantom_recipe(
        spacing_mm=None,
        shape=[20, 20, 20],
        patch=[20, 20, 20],
        augmentation={},
        sampling={"centre": "scan"},
    )
    case = made_case()

    patch = PatchSampler(recipe, CPU).draw(prepared(recipe, case), np.random.default_rng(0))

    corners = patch.image[0, ::19, ::19, ::19].numpy()
    expected = IntensityRule((-250.0, 550.0)).apply(case.hu[::39, ::39, ::39])
    assert corners == pytest.approx(expected, abs=1e-3)


def test_a_slice_is_one_of_the_scan_s_own() -> None:
    """A network of two dimensions sees slices as they were measured, at any distance."""
    recipe = phantom_recipe(
        spacing_mm=["native", 4.0, 4.0], patch=[1, 40, 40], augmentation={"flips": ["x"]}
    )
    case = replace(made_case(), spacing_zyx_mm=(2.3, 4.0, 4.0))
    sampler, ready = PatchSampler(recipe, CPU), prepared(recipe, case)
    rule = IntensityRule((-250.0, 550.0))
    slices = {
        rule.apply(plane)[:, ::side].round(3).tobytes() for plane in case.hu for side in (1, -1)
    }

    hits = 0
    for seed in range(8):
        patch = sampler.draw(ready, np.random.default_rng(seed))
        assert patch.image.shape == (1, 1, 40, 40)
        hits += patch.image[0, 0].numpy().round(3).tobytes() in slices

    assert hits >= 5  # three of four are at a voxel's own level


def test_the_candidate_region_is_resampled_with_the_image() -> None:
    """What counts must be where the image shows it."""
    recipe = phantom_recipe(patch=[32, 40, 40], augmentation=EVERYTHING)
    case = prepared(recipe, marker=lambda one: one.labels == RIGHT)

    patch = PatchSampler(recipe, CPU).draw(case, np.random.default_rng(1))

    marked = patch.labels[patch.counts]
    assert len(marked) > 20
    assert float(((marked == RIGHT) | (marked == LEFT)).float().mean()) > 0.95


@pytest.mark.parametrize(("what", "sign"), [("fill", 1), ("couch", 1), ("cut", -1)])
def test_blanked_surroundings_are_filled_furnished_and_cut(what: str, sign: int) -> None:
    """A network must not learn where the publishers blanked their scans."""
    recipe = phantom_recipe(
        augmentation={what: 1.0}, patch=[40, 40, 40], sampling={"centre": "scan"}
    )
    sampler, case = PatchSampler(recipe, CPU), prepared(recipe)
    plain = sampler.whole(case)

    patches = [sampler.draw(case, np.random.default_rng(seed)) for seed in range(6)]

    changes = [sign * (patch.image - plain.image) for patch in patches]
    assert sum(bool((change > 0.05).any()) for change in changes) >= 2
    assert all(bool((change > -1e-3).all()) for change in changes)  # and nothing else
    assert all(torch.equal(patch.labels, plain.labels) for patch in patches)
