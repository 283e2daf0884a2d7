"""Flags: what a person should look at in a structure before it is used.

A flag changes nothing and stops nothing. Each names the values and the slices that it is about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import shapely
from scipy import ndimage

from contouring.grid import Grid
from contouring.masks import StructureField
from contouring.notices import Notice
from contouring.outlines import TracedStructure
from contouring.pair_flags import find_pair_flags
from contouring.volume import CTVolume

CUT_BY_SCAN_END = "cut-by-scan-end"
CUT_BY_FIELD_OF_VIEW = "cut-by-field-of-view"
CUT_FLAGS = frozenset({CUT_BY_SCAN_END, CUT_BY_FIELD_OF_VIEW})

# A body always reaches the scan's ends: a flag that always comes is read by nobody.
ALWAYS_CUT_TYPE = "EXTERNAL"
# Parts that were left out matter from here on: less is what networks scatter about an organ.
DROPPED_CM3 = 0.5
DROPPED_SHARE = 0.05  # of what was kept
# Nine tenths of a structure are less sure than 3 to 1 against the next best answer. Measured on
# head-and-neck organs that their network knows: over 1000 to 1, thin ones too; on pieces of an
# oesophagus that it had all but missed: under 2 to 1.
LEAST_MARGIN = float(np.log(3.0))
SURE_PERCENTILE = 90
# In LPS, the side of the patient at the end of a positive and of a negative axis.
ENDS = (("left", "right"), ("posterior", "anterior"), ("superior", "inferior"))


def find_flags(
    traced: Sequence[TracedStructure], fields: Mapping[str, StructureField], ct: CTVolume
) -> Mapping[str, tuple[Notice, ...]]:
    """The flags of every structure by its name; an empty tuple where there is nothing to say.

    `fields`: the fields they were traced from, by name; a structure without one is judged by its
    outlines alone.
    """
    drawn = [one for one in traced if one.outlines]
    between = find_pair_flags(drawn, ct.grid)
    flags: dict[str, tuple[Notice, ...]] = {one.structure.name: () for one in traced}
    for one in drawn:
        name = one.structure.name
        cut = (*_cut_by_scan_end(one, ct.grid), *_cut_by_field_of_view(one, ct))
        own = (
            *cut,
            *_unusual_volume(one, is_cut=bool(cut)),
            *_gaps(one, ct.grid),
            *(_several_parts(one, fields[name]) if name in fields else ()),
            *(_low_confidence(one, fields[name]) if name in fields else ()),
        )
        flags[name] = (*own, *between.get(name, ()))
    return flags


def _cut_by_scan_end(one: TracedStructure, grid: Grid) -> tuple[Notice, ...]:
    if one.structure.interpreted_type == ALWAYS_CUT_TYPE:
        return ()
    drawn = {outline.slice_index for outline in one.outlines}
    last = grid.shape_zyx[0] - 1
    ends = [
        f"{_end_of_patient(grid, sign)} end ({grid.slice_in_words(index)})"
        for index, sign in ((0, -1), (last, 1))
        if index in drawn
    ]
    text = (
        f"{one.structure.name} reaches the scan's {' and its '.join(ends)}: what lies beyond is "
        "missing, and its volume and mean dose are those of a part."
    )
    return (Notice(CUT_BY_SCAN_END, text),) if ends else ()


def _end_of_patient(grid: Grid, sign: int) -> str:
    """The side of the patient towards which slices ascend, or from which."""
    axis = int(np.abs(grid.normal).argmax())
    return ENDS[axis][0 if sign * grid.normal[axis] > 0 else 1]


def _cut_by_field_of_view(one: TracedStructure, ct: CTVolume) -> tuple[Notice, ...]:
    # Every pixel that touches one out of view, and those at the image's edge.
    seen = np.pad(ct.in_view, 1, constant_values=False)
    is_edge = ndimage.binary_dilation(~seen, np.ones((3, 3), bool))[1:-1, 1:-1]
    down_mm, across_mm = ct.grid.pixel_spacing_mm
    cut = set()
    for outline in one.outlines:
        points = shapely.get_coordinates(shapely.segmentize(outline.polygon, down_mm))
        columns = np.rint(points[:, 0] / across_mm).astype(int).clip(0, ct.grid.columns - 1)
        rows = np.rint(points[:, 1] / down_mm).astype(int).clip(0, ct.grid.rows - 1)
        if is_edge[rows, columns].any():
            cut.add(outline.slice_index)
    if not cut:
        return ()
    return (
        Notice(
            CUT_BY_FIELD_OF_VIEW,
            f"{one.structure.name} touches the edge of the scanner's field of view on {len(cut)} "
            f"slices, from {ct.grid.slice_in_words(min(cut))} to "
            f"{ct.grid.slice_in_words(max(cut))}: what lies beyond is missing.",
        ),
    )


def _unusual_volume(one: TracedStructure, is_cut: bool) -> tuple[Notice, ...]:
    """A cut structure may well be small."""
    if one.structure.volume_range_cm3 is None:
        return ()
    low, high = one.structure.volume_range_cm3
    if (one.volume_cm3 >= low or is_cut) and one.volume_cm3 <= high:
        return ()
    wrong = "missed in part" if one.volume_cm3 < low else "drawn too large"
    text = (
        f"{one.structure.name} has {one.volume_cm3:.1f} cm3, outside the {low:g} to {high:g} cm3 "
        f"expected from the training cases: look whether it was {wrong}."
    )
    return (Notice("volume-unusual", text),)


def _gaps(one: TracedStructure, grid: Grid) -> tuple[Notice, ...]:
    """Slices without an outline between others; structures of several parts may have some."""
    name = one.structure.name
    drawn = sorted({outline.slice_index for outline in one.outlines})
    if len(drawn) == 1:
        where = grid.slice_in_words(drawn[0])
        text = f"{name} is drawn on one slice only ({where}): look at the slices next to it."
        return (Notice("single-slice", text),)
    gaps = [(low + 1, high - 1) for low, high in pairwise(drawn) if high > low + 1]
    if one.structure.components is None or len(gaps) < one.structure.components:
        return ()
    where = "; ".join(
        grid.slice_in_words(low)
        if low == high
        else f"{grid.slice_in_words(low)} to {grid.slice_in_words(high)}"
        for low, high in gaps
    )
    return (Notice("gap-inside", f"{name} is drawn above and below, but not on {where}."),)


def _several_parts(one: TracedStructure, field: StructureField) -> tuple[Notice, ...]:
    is_much = field.dropped_cm3 >= min(DROPPED_CM3, DROPPED_SHARE * one.volume_cm3)
    if field.islands == field.kept or not is_much:
        return ()
    name, condition = one.structure.name, one.structure.condition
    chosen = "the largest " if field.kept == one.structure.components else ""
    text = (
        f"{name} was seen in {field.islands} separate parts, of which {chosen}{field.kept} "
        f"({one.volume_cm3:.2f} cm3) was kept and {field.dropped_cm3:.2f} cm3 left out: look "
        "whether the right one was kept."
    )
    if condition:
        text += f" The model keeps no part of {name} but those{condition}."
    return (Notice("several-parts", text),)


def _low_confidence(one: TracedStructure, field: StructureField) -> tuple[Notice, ...]:
    """Of fields that are a network's logits; derived ones are in millimetres."""
    if one.structure.label == 0:
        return ()
    surest = float(np.percentile(field.field[field.field > 0], SURE_PERCENTILE))
    if surest >= LEAST_MARGIN:
        return ()
    text = (
        f"In nine tenths of {one.structure.name} the network held it for less than "
        f"{np.exp(surest):.1f} times as likely as the next best answer (organs that it knows: over "
        f"{np.exp(LEAST_MARGIN):.0f} times): look at all of its slices."
    )
    return (Notice("low-confidence", text),)
