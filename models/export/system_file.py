"""Systems: which networks make a bundle, and what its card says that no recipe does.

The shipped ones lie in `models/export/systems/`; `docs/export.md`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from contouring.errors import InvalidConfigurationError
from models.card import Margin, Name, RoiName
from models.export.onnx_export import ExportError
from models.yaml_files import read_yaml_file

SYSTEMS = Path(__file__).parent / "systems"
Text = Annotated[str, Field(min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class NetworkPart(_Strict):
    """One network of a system.

    `recipe`: what it is trained by, for the reader; the run that is exported holds its own.
    `axes`: `dynamic` lets a window shrink to a scan smaller than it, and grow; `fixed` for networks
    whose answer depends on the window's size. `window`, `overlap`: other than the recipe's.
    `longest_window`, `crops_to_body`: as in a card (`models.card.StageCard`).
    """

    recipe: Name
    axes: Literal["fixed", "dynamic"] = "dynamic"
    window: tuple[int, int, int] | None = None
    overlap: Annotated[float, Field(ge=0, lt=0.9)] | None = None
    longest_window: tuple[int, int, int] | None = None
    crops_to_body: bool = False


class LocalizerPart(NetworkPart):
    """How its answer narrows the scan: to a box, or to a mask (`models.card.LocalizerCard`)."""

    narrowing: Literal["box", "mask"] = "box"
    margin_mm: tuple[Margin, Margin, Margin] | None = None
    dilation_mm: Margin | None = None
    minimum_component_cm3: Annotated[float, Field(ge=0)] = 0.0

    @model_validator(mode="after")
    def _one_narrowing(self) -> Self:
        box, mask = self.margin_mm is not None, self.dilation_mm is not None
        if (box, mask) != (self.narrowing == "box", self.narrowing == "mask"):
            raise ValueError("a box takes margin_mm, a mask dilation_mm, and neither the other")
        return self


class SystemFile(_Strict):
    """A whole system; the texts and `anchors` go into the card as they are."""

    name: Name
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")] = "0.1.0"
    intended_use: Text
    licence: Text = "As Oarlock itself; see LICENSE."
    training_data: Text
    evaluation: Text
    localizer: LocalizerPart | None = None
    segmenter: NetworkPart
    anchors: tuple[RoiName, ...] = ()


def shipped_systems() -> tuple[str, ...]:
    """The names of the systems that come with Oarlock."""
    return tuple(sorted(path.stem for path in SYSTEMS.glob("*.yaml")))


def read_system(name_or_path: str | Path) -> SystemFile:
    """A shipped system by its name, or one's own by its path; raises `ExportError`."""
    path = next(
        (p for p in (Path(name_or_path), SYSTEMS / f"{name_or_path}.yaml") if p.is_file()), None
    )
    if path is None:
        raise ExportError(
            f"there is no system {str(name_or_path)!r}: give a path to one, or one of "
            f"{', '.join(shipped_systems())}"
        )
    try:
        return read_yaml_file(path, SystemFile)
    except InvalidConfigurationError as error:
        raise ExportError(str(error)) from error
