"""What one written structure set says of the phantom, structure by structure.

Names and colours are held against the template and the model themselves, places and volumes
against the phantom's closed form; nothing is taken from what the pipeline reports of its own work.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import pydicom
from pydicom import Dataset

from contouring.commission.limits import Limits, find_limits
from contouring.errors import StructureSetError
from contouring.phantom_deviation import Deviation, DrawnSlices, Truth, drawn_contours
from contouring.structures import Structure
from contouring.template import Template

Colour = tuple[int, ...]
Drawn = Mapping[str, DrawnSlices]


@dataclass(frozen=True)
class RoiWanted:
    """A structure of the phantom as a template wants it in the file."""

    source: str
    name: str
    colour_rgb: Colour


@dataclass(frozen=True)
class Measurement:
    """One structure of one file; `found` is None where the file has no such ROI."""

    wanted: RoiWanted
    limits: Limits
    colour_rgb: Colour
    found: Deviation | None

    @property
    def breaches(self) -> tuple[str, ...]:
        """What is wrong with it, each as a sentence; nothing is well."""
        found, limits = self.found, self.limits
        if found is None:
            return ("It is not in the file.",)
        # What is right, not what is wrong: NaN is neither above a limit nor within it.
        checks = {
            f"Its mean distance is above {limits.mean_mm} mm.": found.mean_mm <= limits.mean_mm,
            f"A contour is more than {limits.largest_off_poles_mm} mm off.": (
                found.largest_off_poles_mm <= limits.largest_off_poles_mm
            ),
            f"Its volume is more than {limits.volume_error:.1%} off.": (
                abs(found.volume_error) <= limits.volume_error
            ),
            f"Slices without a contour: {len(found.missed_slices)}.": not found.missed_slices,
            f"Slices with a contour too many: {len(found.extra_slices)}.": not found.extra_slices,
            "Its colour is not the one asked for.": self.colour_rgb == self.wanted.colour_rgb,
        }
        return tuple(text for text, is_right in checks.items() if not is_right)

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong with it."""
        return not self.breaches


@dataclass(frozen=True)
class FileResult:
    """One structure set: `path` from the report's folder, `unmeasured` the names of derived ROIs.

    `faults`: what is wrong with the file as a whole, or why there is none.
    """

    template: Template
    path: str = ""
    checksum: str = ""
    measurements: tuple[Measurement, ...] = ()
    unmeasured: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether something was measured and everything is as it should be."""
        measured = self.measurements
        return bool(measured) and not self.faults and all(one.passed for one in measured)


def find_wanted(
    template: Template, structures: Sequence[Structure], known: Collection[str]
) -> tuple[RoiWanted, ...]:
    """What a template asks for, of what both the model and the phantom (`known`) have."""
    colours: dict[str, Colour] = {structure.name: structure.colour_rgb for structure in structures}
    if template.structures is None:
        return tuple(RoiWanted(name, name, colours[name]) for name in colours if name in known)
    return tuple(
        RoiWanted(one.source, one.name or one.source, one.colour_rgb or colours[one.source])
        for one in template.structures
        if one.source in known and one.source in colours
    )


def read_colours(structure_set: Dataset) -> dict[str, Colour]:
    """ROIDisplayColor by ROI name, empty where there is none."""
    names = {roi.ROINumber: str(roi.ROIName) for roi in structure_set.StructureSetROISequence}
    return {
        names[roi.ReferencedROINumber]: tuple(int(v) for v in roi.get("ROIDisplayColor") or ())
        for roi in structure_set.ROIContourSequence
    }


@dataclass
class Gauge:
    """Measures the structure sets of one series; what several of them share is measured once."""

    truths: Mapping[str, Truth]
    structures: Sequence[Structure]
    files: Sequence[Path]
    _known: dict[tuple[str, str], Deviation] = field(default_factory=dict, init=False)

    def measure(self, content: bytes, template: Template, path: str) -> FileResult:
        """All that is measured of a structure set of this template."""
        checksum = hashlib.sha256(content).hexdigest()
        dataset = pydicom.dcmread(BytesIO(content))
        wanted = find_wanted(template, self.structures, self.truths)
        try:
            drawn = drawn_contours(dataset, self.files)
            colours = read_colours(dataset)
            measurements = tuple(self._measurement(one, drawn, colours) for one in wanted)
        except StructureSetError as error:
            return FileResult(template, path, checksum, faults=(str(error),))
        names = {one.name for one in wanted}
        others = [name for name in drawn if drawn[name] and name not in names]
        derived = _derived_names(template)
        faults = tuple(
            f"{name} has contours, but nothing in the phantom is called that."
            for name in others
            if name not in derived
        )
        unmeasured = tuple(name for name in others if name in derived)
        return FileResult(template, path, checksum, measurements, unmeasured, faults)

    def _measurement(
        self, wanted: RoiWanted, drawn: Drawn, colours: Mapping[str, Colour]
    ) -> Measurement:
        limits = find_limits(self.truths[wanted.source])
        if wanted.name not in drawn:
            return Measurement(wanted, limits, (), None)
        found = self._deviation(wanted.source, drawn[wanted.name])
        return Measurement(wanted, limits, colours[wanted.name], found)

    def _deviation(self, source: str, slices: DrawnSlices) -> Deviation:
        lines = [(index, [loop.tolist() for loop in loops]) for index, loops in slices.items()]
        key = (source, hashlib.sha256(repr(lines).encode()).hexdigest())
        if key not in self._known:
            self._known[key] = self.truths[source].deviation(slices)
        return self._known[key]


def _derived_names(template: Template) -> set[str]:
    """The names under which a template writes its derived structures."""
    names = {derived.structure.name for derived in template.derived}
    wanted = template.structures or ()
    return names | {one.name for one in wanted if one.source in names and one.name}
