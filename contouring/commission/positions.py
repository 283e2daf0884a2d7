"""One patient position: the phantom written, contoured once for all templates, and measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray

from contouring.commission.expectations import Expectation, find_expectation, find_solid_cm3
from contouring.commission.measurements import (
    Colour,
    FileResult,
    Gauge,
    find_wanted,
    read_colours,
)
from contouring.commission.pictures import Picture, Scene, draw_pictures
from contouring.composition import check_sources
from contouring.dicom_series import read_series
from contouring.drafts import Output
from contouring.errors import DerivationError, OarlockError, StructureSetError
from contouring.phantom import Phantom
from contouring.phantom_deviation import DrawnSlices, Truth, drawn_contours
from contouring.phantom_scan import Scan
from contouring.phantom_series import SeriesHeader, write_phantom
from contouring.pipeline import contour_series
from contouring.provenance import Stamp
from contouring.recipe import Cascade
from contouring.template import Template

CT_FOLDER = "ct"


@dataclass(frozen=True)
class PositionResult:
    """All of one position: a file for each template, and what its pictures show.

    `expectations` by structure of the phantom; `pictures` of the first file that could be read.
    """

    scan: Scan
    series_instance_uid: str
    files: tuple[FileResult, ...]
    expectations: Mapping[str, Expectation]
    pictures: tuple[Picture, ...]

    @property
    def position(self) -> str:
        """As PatientPosition has it."""
        return self.scan.position

    @property
    def passed(self) -> bool:
        """Whether there is a file for a template and every file passed."""
        return bool(self.files) and all(file.passed for file in self.files)


@dataclass(frozen=True)
class _Contoured:
    """Per template, what it got or why it got nothing."""

    outputs: dict[str, Output] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Task:
    """What all positions have in common; `folder` is the report's."""

    folder: Path
    phantom: Phantom
    cascade: Cascade
    templates: tuple[Template, ...]
    stamp: Stamp

    @cached_property
    def solids_cm3(self) -> dict[str, float]:
        """The structures' own volumes, by name."""
        return {found.name: find_solid_cm3(found.shape) for found in self.phantom.structures}

    def run(self, scan: Scan, done: Callable[[float], None]) -> PositionResult:
        """Write, contour, read back and draw one position; failures stand in its files."""
        done(0.0)
        series_folder = self.folder / scan.position / CT_FOLDER
        header = SeriesHeader(series_description=f"Oarlock phantom {scan.position}")
        files = write_phantom(series_folder, phantom=self.phantom, scan=scan, header=header)
        done(0.2)
        truths = {found.name: Truth(found.shape, scan) for found in self.phantom.structures}
        contoured = self._contour(series_folder)
        done(0.5)
        results = self._measure(scan, files, truths, contoured)
        done(0.8)
        expectations = {
            name: find_expectation(truth, self.solids_cm3[name]) for name, truth in truths.items()
        }
        pictures = self._draw(scan, files, contoured.outputs)
        done(1.0)
        uid = str(_header(files[0]).SeriesInstanceUID)
        return PositionResult(scan, uid, results, expectations, pictures)

    def _contour(self, series_folder: Path) -> _Contoured:
        """One run of the network for all templates that can be served with the phantom."""
        contoured = _Contoured()
        for template in self.templates:
            contoured.faults.update(self._unfitness(template))
        fit = [one for one in self.templates if one.name not in contoured.faults]
        if not fit:
            return contoured
        try:
            series = read_series(series_folder)
            outputs = contour_series(series, self.cascade, self.stamp, fit).outputs
            contoured.outputs.update({output.template: output for output in outputs})
        except OarlockError as error:
            # A position that fails is a result, and the others are still worth seeing.
            contoured.faults.update({template.name: str(error) for template in fit})
        return contoured

    def _unfitness(self, template: Template) -> dict[str, str]:
        """By its name, why a template cannot be served; nothing if it can."""
        names = {structure.name for structure in self.phantom.structures}
        if not find_wanted(template, self.cascade.structures, names):
            return {template.name: "It asks for none of the phantom's structures: leave it out."}
        try:
            check_sources(template, self.cascade.structures)
        except DerivationError as error:
            return {template.name: str(error)}
        return {}

    def _measure(
        self,
        scan: Scan,
        files: Sequence[Path],
        truths: Mapping[str, Truth],
        contoured: _Contoured,
    ) -> tuple[FileResult, ...]:
        gauge = Gauge(truths, self.cascade.structures, files)
        results = []
        for template in self.templates:
            if template.name in contoured.faults:
                fault = contoured.faults[template.name]
                results.append(FileResult(template, faults=(fault,)))
                continue
            output = contoured.outputs[template.name]
            path = f"{scan.position}/{template.name}.rtstruct.dcm"
            (self.folder / path).write_bytes(output.rtstruct)
            if output.segmentation is not None:
                image = self.folder / scan.position / f"{template.name}.seg.dcm"
                image.write_bytes(output.segmentation)
            # What lies on the disk is what people import.
            results.append(gauge.measure((self.folder / path).read_bytes(), template, path))
        return tuple(results)

    def _draw(
        self, scan: Scan, files: Sequence[Path], outputs: Mapping[str, Output]
    ) -> tuple[Picture, ...]:
        """Pictures of the CT, with the first template's contours where they can be read."""
        drawn: dict[str, tuple[DrawnSlices, Colour]] = {}
        for output in list(outputs.values())[:1]:
            dataset = pydicom.dcmread(BytesIO(output.rtstruct))
            colours = read_colours(dataset)
            with suppress(StructureSetError):  # said in the file's faults
                slices = drawn_contours(dataset, files)
                drawn = {name: (slices[name], colours[name]) for name in slices}
        return draw_pictures(Scene(scan, self.phantom, _read_hu(files), drawn))


def _header(file: Path) -> pydicom.Dataset:
    return pydicom.dcmread(file, stop_before_pixels=True)


def _read_hu(files: Sequence[Path]) -> NDArray[np.int16]:
    """(slices, rows, columns) HU as written, without the pipeline's own reader."""
    slices = [pydicom.dcmread(file) for file in files]
    planes = [one.pixel_array * one.RescaleSlope + one.RescaleIntercept for one in slices]
    return np.asarray(np.rint(planes), np.int16)
