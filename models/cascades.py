"""From a bundle to a cascade that is ready to run."""

from __future__ import annotations

from contouring.recipe import Cascade, IntensityRule, Localizer, RoiRule, Segmenter, Stage
from contouring.structures import CodedConcept, Structure
from models.bundles import Bundle
from models.card import CodeCard, IntensityCard, StageCard, StructureCard
from models.runtimes.onnx_runtime import OnnxPredictor

LOCALIZER_CHANNELS = 2


def open_cascade(bundle: Bundle, threads: int | None = None) -> Cascade:
    """Load both networks; raises `InvalidBundleError` if a graph does not fit its card."""
    card = bundle.card
    predictor = OnnxPredictor(bundle.folder, card.segmenter, len(card.structures) + 1, threads)
    return Cascade(
        name=card.name,
        version=card.version,
        checksum=bundle.checksum,
        runtime=predictor.name,
        localizer=_localizer(bundle, threads),
        segmenter=Segmenter(_stage(card.segmenter), predictor),
        structures=tuple(_structure(structure) for structure in card.structures),
    )


def _localizer(bundle: Bundle, threads: int | None) -> Localizer | None:
    card = bundle.card.localizer
    if card is None:
        return None
    return Localizer(
        _stage(card),
        RoiRule(card.margin_mm, card.minimum_component_cm3),
        OnnxPredictor(bundle.folder, card, LOCALIZER_CHANNELS, threads),
    )


def _stage(card: StageCard) -> Stage:
    return Stage(
        intensity=_intensity(card.intensity),
        window_zyx=card.window,
        overlap=card.overlap,
        multiple_of=card.multiple_of,
        spacing_zyx_mm=None if card.spacing_mm == "native" else card.spacing_mm,
        shape_zyx=card.shape,
    )


def _intensity(card: IntensityCard) -> IntensityRule:
    return IntensityRule(card.hu_range, card.output_range)


def _structure(card: StructureCard) -> Structure:
    return Structure(
        label=card.label,
        name=card.name,
        colour_rgb=card.colour,
        components=card.components,
        description=card.description,
        interpreted_type=card.interpreted_type,
        code=_code(card.code),
        laterality=_code(card.laterality),
        volume_range_cm3=card.volume_range_cm3,
    )


def _code(card: CodeCard | None) -> CodedConcept | None:
    return None if card is None else CodedConcept(card.value, card.scheme, card.meaning)
