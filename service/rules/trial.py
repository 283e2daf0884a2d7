"""Rules tried on files: which match and why not, and what would happen; nothing does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from contouring.dicom_series import CTSeries, RefusedSeries, find_series
from service.notices import NoticeView
from service.rules.decisions import Order
from service.rules.matching import decide, explain
from service.rules.rule_file import Mode, Review
from service.rules.rule_set import RuleSet
from service.rules.subject import build_subject
from service.rules.views import (
    DeliveryPlanView,
    ExplanationView,
    OrderView,
    RefusedSeriesView,
    SeriesTrialView,
    TrialView,
)
from workers.sources import Source


@dataclass(frozen=True)
class Defaults:
    """What a job gets where its rule leaves it open."""

    model: str
    templates: tuple[str, ...]


def try_rules(
    rule_set: RuleSet,
    files: Sequence[Path],
    names: Mapping[Path, str],
    source: Source,
    defaults: Defaults,
) -> TrialView:
    """As if `source` had sent the files; reads headers, never pixels.

    `names`: what to call a file. Raises what `find_series` raises.
    """
    search = find_series(files, names)
    return TrialView(
        checksum=rule_set.checksum or None,
        series=[_try(rule_set, series, source, defaults) for series in search.series],
        refused=[_build_refused(refused) for refused in search.refused],
        ignored=list(search.ignored),
    )


def _try(
    rule_set: RuleSet, series: CTSeries, source: Source, defaults: Defaults
) -> SeriesTrialView:
    subject = build_subject(series, source)
    decision = decide(rule_set, subject)
    return SeriesTrialView(
        series_instance_uid=series.series_instance_uid,
        description=series.description,
        slices=len(series.instances),
        body_part=subject.body_part.part,
        body_part_reason=subject.body_part.reason,
        rules=[ExplanationView.model_validate(one) for one in explain(rule_set, subject)],
        jobs=[_build_order(order, defaults) for order in decision.jobs],
        refusal=decision.refusal,
        refused_by=decision.refused_by or None,
    )


def _build_order(order: Order, defaults: Defaults) -> OrderView:
    return OrderView(
        rule=order.rule,
        model=order.model or defaults.model,
        templates=list(order.templates or defaults.templates),
        priority=order.priority,
        mode=Mode.SHADOW if order.is_shadow else Mode.LIVE,
        deliveries=[
            DeliveryPlanView(
                destination=one.destination,
                template=one.template,
                review=Review.HOLD if one.is_held else Review.SEND,
            )
            for one in order.deliveries
        ],
    )


def _build_refused(refused: RefusedSeries) -> RefusedSeriesView:
    return RefusedSeriesView(
        series_instance_uid=refused.series_instance_uid,
        description=refused.description,
        refusal=NoticeView(name=refused.fault, text=refused.reason),
    )
