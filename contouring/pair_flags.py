"""Flags that concern two structures: left and right swapped, organs that overlap."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np
import shapely

from contouring.grid import Grid
from contouring.notices import Notice
from contouring.outlines import TracedStructure

LEFT, RIGHT = "_L", "_R"  # how TG-263 names end
# Two simplified lines along one border cross each other by hundredths of a millimetre: on 20 cm2 of
# a common border that may make 0.05 cm3.
OVERLAP_CM3 = 0.1
OVERLAP_SHARE = 0.01  # of the smaller of the two

Finding = tuple[str, str, Notice]


def find_pair_flags(
    drawn: Sequence[TracedStructure], grid: Grid
) -> Mapping[str, tuple[Notice, ...]]:
    """Flags by name; both structures of a pair get theirs. All must have outlines."""
    flags: dict[str, tuple[Notice, ...]] = {}
    for first, second, notice in (*_swapped(drawn, grid), *_overlapping(drawn, grid)):
        for name in (first, second):
            flags[name] = (*flags.get(name, ()), notice)
    return flags


def _swapped(drawn: Sequence[TracedStructure], grid: Grid) -> Iterator[Finding]:
    by_name = {one.structure.name.casefold(): one for one in drawn}
    for left in drawn:
        name = left.structure.name
        right = by_name.get((name.removesuffix(LEFT) + RIGHT).casefold())
        if not name.endswith(LEFT) or right is None:
            continue
        left_mm, right_mm = (_middle_x_mm(one, grid) for one in (left, right))
        if left_mm <= right_mm:
            text = (
                f"The middle of {name} (x = {left_mm:.1f} mm) does not lie to the patient's left "
                f"of that of {right.structure.name} (x = {right_mm:.1f} mm): look whether the two "
                "are swapped, or the patient's orientation in the headers is wrong."
            )
            yield name, right.structure.name, Notice("sides-swapped", text)


def _middle_x_mm(one: TracedStructure, grid: Grid) -> float:
    """Of its area, in the patient (LPS): growing to the left."""
    places, areas = [], []
    for outline in one.outlines:
        column_mm, row_mm = shapely.get_coordinates(outline.polygon.centroid).T
        places.append(float(grid.to_patient(outline.slice_index, row_mm, column_mm)[0, 0]))
        areas.append(outline.polygon.area)
    return float(np.average(places, weights=areas))


def _overlapping(drawn: Sequence[TracedStructure], grid: Grid) -> Iterator[Finding]:
    """The model's own structures exclude each other; derived ones may well overlap."""
    organs = [(one, _by_slice(one)) for one in drawn if one.structure.label > 0]
    for (first, its), (second, others) in combinations(organs, 2):
        areas_mm2 = {
            index: shapely.intersection(its[index], others[index]).area
            for index in its.keys() & others.keys()
            if its[index].intersects(others[index])
        }
        common_cm3 = sum(grid.slice_heights_mm[k] * area for k, area in areas_mm2.items()) / 1e3
        smaller_cm3 = min(first.volume_cm3, second.volume_cm3)
        if common_cm3 >= OVERLAP_CM3 and common_cm3 >= OVERLAP_SHARE * smaller_cm3:
            worst = max(areas_mm2, key=lambda index: areas_mm2[index])
            names = first.structure.name, second.structure.name
            text = (
                f"{names[0]} and {names[1]} overlap by {common_cm3:.2f} cm3, most on "
                f"{grid.slice_in_words(worst)}: a place belongs to one organ only."
            )
            yield *names, Notice("overlap", text)


def _by_slice(one: TracedStructure) -> dict[int, shapely.Geometry]:
    polygons = defaultdict(list)
    for outline in one.outlines:
        polygons[outline.slice_index].append(outline.polygon)
    return {index: _joined(shapely.MultiPolygon(parts)) for index, parts in polygons.items()}


def _joined(parts: shapely.MultiPolygon) -> shapely.Geometry:
    """The same area in parts that neither cross nor touch along a line.

    Lines that were simplified one by one may do so by hundredths of a millimetre, and areas that
    cross themselves cannot be intersected.
    """
    if parts.is_valid:
        return parts
    return shapely.make_valid(parts, method="structure", keep_collapsed=False)
