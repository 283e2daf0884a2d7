"""From a bundle to a cascade that is ready to run."""

from __future__ import annotations

from contouring.recipe import Cascade, Localizer, MaskRule, RoiRule, Segmenter, SpacingMm, Stage
from contouring.structures import CodedConcept, Structure
from models.bundles import Bundle
from models.card import CodeCard, LocalizerCard, StageCard, StructureCard
from models.economy import Economy, shrink_stage
from models.runtimes.onnx_runtime import OnnxPredictor


def open_cascade(
    bundle: Bundle, threads: int | None = None, economy: Economy | None = None
) -> Cascade:
    """Load both networks; raises `InvalidBundleError` if a graph does not fit its card.

    A network whose graph is made for one size of window keeps it, whatever the `economy`.
    """
    card, economy = bundle.card, economy or Economy()
    predictor = OnnxPredictor(
        bundle.folder, card.segmenter, len(card.structures) + 1, threads, on_cpu=economy.on_cpu
    )
    return Cascade(
        name=card.name,
        version=card.version,
        checksum=bundle.checksum,
        runtime=predictor.name,
        localizer=_localizer(bundle, threads, economy),
        segmenter=Segmenter(_stage(card.segmenter, predictor, economy), predictor),
        structures=tuple(_structure(structure) for structure in card.structures),
        anchors=card.anchors,
    )


def _localizer(bundle: Bundle, threads: int | None, economy: Economy) -> Localizer | None:
    card = bundle.card.localizer
    if card is None:
        return None
    predictor = OnnxPredictor(bundle.folder, card, card.channels, threads, on_cpu=economy.on_cpu)
    return Localizer(
        _stage(card, predictor, economy), _narrowing(card), predictor, card.body_reach_mm
    )


def _narrowing(card: LocalizerCard) -> RoiRule | MaskRule:
    if card.dilation_mm is not None:
        return MaskRule(card.dilation_mm, card.minimum_component_cm3)
    assert card.margin_mm is not None  # as the card was validated
    return RoiRule(card.margin_mm, card.minimum_component_cm3)


def _stage(card: StageCard, predictor: OnnxPredictor, economy: Economy) -> Stage:
    stage = Stage(
        intensity=card.intensity.rule,
        window_zyx=card.window,
        overlap=card.overlap,
        multiple_of=card.multiple_of,
        spacing_zyx_mm=_spacing(card),
        shape_zyx=card.shape,
        own_within=card.own_within,
    )
    return shrink_stage(stage, economy.halvings) if predictor.takes_any_window else stage


def _spacing(card: StageCard) -> SpacingMm | None:
    if card.spacing_mm is None or card.spacing_mm == "native":
        return None
    z, y, x = (None if side == "native" else side for side in card.spacing_mm)
    return None if z is y is x is None else (z, y, x)


def _structure(card: StructureCard) -> Structure:
    return Structure(
        label=card.label,
        name=card.name,
        colour_rgb=card.colour,
        components=None if card.components == "all" else card.components,
        description=card.description,
        interpreted_type=card.interpreted_type,
        code=_code(card.code),
        laterality=_code(card.laterality),
        volume_range_cm3=card.volume_range_cm3,
        minimum_cm3=card.minimum_cm3,
        touches=card.touches,
    )


def _code(card: CodeCard | None) -> CodedConcept | None:
    return None if card is None else CodedConcept(card.value, card.scheme, card.meaning)
