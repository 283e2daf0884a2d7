"""From a bundle to a cascade that is ready to run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from contouring.notices import Notice
from contouring.recipe import Cascade, Localizer, MaskRule, RoiRule, Segmenter, SpacingMm, Stage
from contouring.structures import CodedConcept, Structure
from models.bundles import Bundle
from models.card import CodeCard, LocalizerCard, StageCard, StructureCard
from models.economy import Economy, shrink_stage
from models.runtime_names import RuntimeName
from models.runtimes.choice import NetworkPredictor, OpenedNetwork, RuntimePlan, open_network

# What a worker must do without may come back; engines come when somebody builds them.
PASSED_OVER, UNBUILT = "runtime-passed-over", "engines-not-built"


def open_cascade(
    bundle: Bundle,
    threads: int | None = None,
    economy: Economy | None = None,
    runtime: RuntimeName = RuntimeName.AUTO,
    engines: Path | None = None,
) -> Cascade:
    """Load both networks; raises `InvalidBundleError` if a graph does not fit its card.

    A network whose graph is made for one size of window keeps it, whatever the `economy`.
    `engines`: the folder of those that were built for this machine. Raises
    `RuntimeUnavailableError` where the `runtime` cannot be used.
    """
    card, economy = bundle.card, economy or Economy()
    plan = RuntimePlan(runtime, threads, economy.on_cpu, engines, card.accepted_precisions)
    fine = open_network(bundle.folder, card.segmenter, len(card.structures) + 1, plan)
    networks, localizer = [fine], None
    if card.localizer is not None:
        coarse = open_network(bundle.folder, card.localizer, card.localizer.channels, plan)
        networks.append(coarse)
        localizer = _localizer(card.localizer, coarse.predictor, economy)
    return Cascade(
        name=card.name,
        version=card.version,
        checksum=bundle.checksum,
        runtime=", ".join(dict.fromkeys(one.predictor.name for one in networks)),
        localizer=localizer,
        segmenter=Segmenter(
            _stage(card.segmenter, fine.predictor, economy),
            fine.predictor,
            card.segmenter.crops_to_body,
        ),
        structures=tuple(_structure(structure) for structure in card.structures),
        anchors=card.anchors,
        warnings=_tell_passed_over(networks),
    )


def _localizer(card: LocalizerCard, predictor: NetworkPredictor, economy: Economy) -> Localizer:
    return Localizer(
        _stage(card, predictor, economy),
        _narrowing(card),
        predictor,
        card.body_reach_mm,
        card.crops_to_body,
    )


def _tell_passed_over(networks: Sequence[OpenedNetwork]) -> tuple[Notice, ...]:
    """A job that takes ten times as long must say why."""
    for network in networks:
        for name, reasons in (
            (PASSED_OVER, network.passed_over),
            (UNBUILT, network.unbuilt),
        ):
            if reasons:
                ran_on = f"It ran on {network.predictor.name}, which takes longer"
                return (Notice(name, f"{ran_on}; the contours are the same. {' '.join(reasons)}"),)
    return ()


def _narrowing(card: LocalizerCard) -> RoiRule | MaskRule:
    if card.dilation_mm is not None:
        return MaskRule(card.dilation_mm, card.minimum_component_cm3)
    assert card.margin_mm is not None  # as the card was validated
    return RoiRule(card.margin_mm, card.minimum_component_cm3)


def _stage(card: StageCard, predictor: NetworkPredictor, economy: Economy) -> Stage:
    stage = Stage(
        intensity=card.intensity.rule,
        window_zyx=card.window,
        overlap=card.overlap,
        multiple_of=card.multiple_of,
        spacing_zyx_mm=_spacing(card),
        shape_zyx=card.shape,
        own_within=card.own_within,
        longest_zyx=card.longest_window,
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
