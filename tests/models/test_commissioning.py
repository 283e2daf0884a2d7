"""The `commissioning` bundle: fields without training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from contouring.phantom import (
    AIR_HU,
    BONE_HU,
    CAPSULE_MM,
    FIELD_LIMIT_MM,
    HEAD_AND_NECK,
    HU_PER_MM,
    SOFT_TISSUE_HU,
    PhantomStructure,
)
from contouring.phantom_scan import Scan, even_offsets
from contouring.recipe import IntensityRule
from models.bundles import read_bundle
from models.export.commissioning import RELEASED_FOLDER, build_bundle

STRUCTURES = [pytest.param(found, id=found.name) for found in HEAD_AND_NECK.structures]


@pytest.fixture(scope="module")
def session() -> onnxruntime.InferenceSession:
    """The released network."""
    return onnxruntime.InferenceSession(RELEASED_FOLDER / "fields.onnx")


def logits_of(session: onnxruntime.InferenceSession, hu: NDArray[np.number]) -> NDArray[np.float32]:
    """(channels, z, y, x) of (z, y, x) HU."""
    image = hu.astype(np.float32)[np.newaxis, np.newaxis]
    (logits,) = session.run(["logits"], {"image": image})
    return np.asarray(logits[0], dtype=np.float32)


def test_building_the_bundle_again_gives_the_released_bytes(tmp_path: Path) -> None:
    """Whoever doubts the released network can make it; a change of the phantom must show."""
    files = build_bundle(tmp_path)

    assert {file.name for file in files} == {"capsules.onnx", "card.yaml", "fields.onnx"}
    for file in files:
        assert file.read_bytes() == (RELEASED_FOLDER / file.name).read_bytes(), file.name


def test_the_released_card_is_valid_and_names_the_structures_in_channel_order() -> None:
    """Channel k is structure k; a card out of step would label one shape as another."""
    card = read_bundle(RELEASED_FOLDER).card

    assert card.name == "commissioning"
    assert card.localizer is not None
    assert card.segmenter.spacing_mm == "native"
    assert [(s.label, s.name, s.components) for s in card.structures] == [
        (s.label, s.name, s.components) for s in HEAD_AND_NECK.structures
    ]


def test_the_card_s_intensity_rule_leaves_every_hu_of_the_phantom_as_it_is() -> None:
    """The network reads HU; a rule that bent them would bend the borders."""
    rule = read_bundle(RELEASED_FOLDER).card.segmenter.intensity
    hu = np.arange(-1024, 3072, dtype=np.int16)

    image = IntensityRule(rule.hu_range, rule.output_range).apply(hu)

    assert np.array_equal(image, hu.astype(np.float32))


@pytest.mark.parametrize("structure", STRUCTURES)
def test_logits_on_the_phantom_are_the_true_fields_in_mm(
    session: onnxruntime.InferenceSession, structure: PhantomStructure
) -> None:
    """Every check of contours in mm rests on this."""
    middle = np.add(structure.shape.bounds().high_mm, structure.shape.bounds().low_mm) / 2.0
    scan = Scan(
        rows=140,
        columns=140,
        slice_offsets_mm=even_offsets(24, 4.0),
        centre_mm=(float(middle[0]), float(middle[1]), float(middle[2])),
    )
    points = np.array([scan.pixel_mm(k, 0, 0) for k in range(24)])
    x = points[0, 0] + np.arange(140) * scan.column_spacing_mm
    y = points[0, 1] + np.arange(140)[:, np.newaxis] * scan.row_spacing_mm
    true_mm = structure.shape.field_mm(x, y, points[:, 2, np.newaxis, np.newaxis])

    logits = logits_of(session, scan.hu(HEAD_AND_NECK))

    in_capsule = true_mm >= -CAPSULE_MM
    expected = np.where(
        in_capsule, np.clip(true_mm, -FIELD_LIMIT_MM, FIELD_LIMIT_MM), -FIELD_LIMIT_MM
    )
    assert np.count_nonzero(np.abs(true_mm) < 1.0) > 5
    assert np.abs(logits[structure.label] - expected).max() <= 0.5 / HU_PER_MM + 1e-5
    assert np.all(logits[0] == 0.0)


@pytest.mark.parametrize("structure", STRUCTURES)
def test_a_band_drives_its_own_channel_and_no_other(
    session: onnxruntime.InferenceSession, structure: PhantomStructure
) -> None:
    """A voxel in two structures at once would make both borders wrong."""
    low, high = structure.band_hu
    hu = np.arange(low, high + 1.0)[np.newaxis, np.newaxis]

    logits = logits_of(session, hu)

    expected = np.full((len(HEAD_AND_NECK.structures) + 1, *hu.shape), -FIELD_LIMIT_MM)
    expected[0] = 0.0
    expected[structure.label] = (hu - structure.band_middle_hu) / HU_PER_MM
    assert np.abs(logits - expected).max() < 1e-5


def test_plain_tissue_and_metal_are_background(session: onnxruntime.InferenceSession) -> None:
    """On whatever carries no field, every structure says outside."""
    hu = np.array([[[-1024.0, AIR_HU, SOFT_TISSUE_HU, BONE_HU, 3071.0]]])

    logits = logits_of(session, hu)

    assert np.all(logits[1:] == -FIELD_LIMIT_MM)


@pytest.mark.parametrize("shape", [(1, 1, 1), (16, 256, 256), (3, 7, 5)])
def test_any_window_shape_is_taken(
    session: onnxruntime.InferenceSession, shape: tuple[int, int, int]
) -> None:
    """The network is pointwise, so no scan may be too small or too odd for it."""
    logits = logits_of(session, np.zeros(shape))

    assert logits.shape == (len(HEAD_AND_NECK.structures) + 1, *shape)
