"""What a search finds among the objects that are kept (QIDO-RS, PS3.18 10.6.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from itertools import islice
from typing import Any

from starlette.exceptions import HTTPException

from service.dicomweb.kept_attributes import Attributes, tell_attributes
from service.dicomweb.matching import is_match
from service.dicomweb.queries import Level, Query, list_told
from workers.holdings import Holding, Holdings

MOST_OBJECTS = 5000  # whose headers one search reads
MODALITY = "00080060"
# Told of what is found, whatever its own header says.
COUNTED = ("00080005", "00080056", "00080061", "00081190", "00201206", "00201208", "00201209")

Candidates = Iterable[Attributes]
"""Descriptions of one study, series or object; it is found by the first that matches."""


def find_results(query: Query, kept: Holdings, root_url: str) -> list[Attributes]:
    """What matches, in a stable order; raises 413 for a search that reads too many headers."""
    holdings = _find_holdings(query, kept)
    if query.level is Level.INSTANCE and len(holdings) > MOST_OBJECTS:
        raise HTTPException(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"{len(holdings)} objects would have to be read: search within a study or a series",
        )
    describe: Mapping[Level, Callable[[Sequence[Holding], str], Iterator[Candidates]]] = {
        Level.STUDY: _describe_studies,
        Level.SERIES: _describe_series,
        Level.INSTANCE: _describe_objects,
    }
    found = (_pick_match(one, query) for one in describe[query.level](holdings, root_url))
    matches = (attributes for attributes in found if attributes is not None)
    end = None if query.limit is None else query.offset + query.limit
    # No header is read behind the last one that is told.
    return [_select(attributes, query) for attributes in islice(matches, query.offset, end)]


def _find_holdings(query: Query, kept: Holdings) -> tuple[Holding, ...]:
    """All objects of the studies or series in question: their numbers are told, too."""
    studies, series, objects = query.uids
    find = partial(kept.find, leaves_out=True)  # one that cannot be told hides no other
    found = find(studies, series, objects)
    if query.level is Level.STUDY and (series or objects):
        return find({one.study_instance_uid for one in found}) if found else ()
    if query.level is Level.SERIES and objects:
        return find((), {one.series_instance_uid for one in found}) if found else ()
    return found


def _describe_studies(holdings: Sequence[Holding], root_url: str) -> Iterator[Candidates]:
    """A study by each of its series, so that it is found by what only one of them is."""
    for uid, members in _group(holdings, lambda one: one.study_instance_uid).items():
        series = _group(members, lambda one: one.series_instance_uid)
        each = [tell_attributes(group[0]) for group in series.values()]
        modalities = {value for one in each for value in one.get(MODALITY, {}).get("Value", ())}
        study = {
            "00080061": _build_values("CS", *sorted(modalities)),
            "00081190": _build_values("UR", f"{root_url}/studies/{uid}"),
            "00201206": _build_values("IS", len(series)),
            "00201208": _build_values("IS", len(members)),
        }
        yield [one | study for one in each]


def _describe_series(holdings: Sequence[Holding], root_url: str) -> Iterator[Candidates]:
    for uid, members in _group(holdings, lambda one: one.series_instance_uid).items():
        url = f"{root_url}/studies/{members[0].study_instance_uid}/series/{uid}"
        series = {
            "00081190": _build_values("UR", url),
            "00201209": _build_values("IS", len(members)),
        }
        yield [tell_attributes(members[0]) | series]


def _describe_objects(holdings: Sequence[Holding], root_url: str) -> Iterator[Candidates]:
    for one in holdings:
        series = f"studies/{one.study_instance_uid}/series/{one.series_instance_uid}"
        url = f"{root_url}/{series}/instances/{one.sop_instance_uid}"
        places = {
            "00080056": _build_values("CS", "ONLINE"),
            "00081190": _build_values("UR", url),
        }
        yield [tell_attributes(one) | places]


def _group(holdings: Sequence[Holding], key: Callable[[Holding], str]) -> dict[str, list[Holding]]:
    groups: dict[str, list[Holding]] = {}
    for one in holdings:
        groups.setdefault(key(one), []).append(one)
    return groups


def _pick_match(candidates: Candidates, query: Query) -> Attributes | None:
    for attributes in candidates:
        if all(is_match(attributes.get(tag), tag, wanted) for tag, wanted in query.matches.items()):
            return attributes
    return None


def _select(attributes: Attributes, query: Query) -> Attributes:
    if query.includes_all:
        return attributes
    told = list_told(query).union(COUNTED)
    return {tag: content for tag, content in attributes.items() if tag in told}


def _build_values(vr: str, *values: Any) -> dict[str, Any]:
    return {"vr": vr, "Value": list(values)}
