"""The model card: everything Oarlock must know of a model, validated; `docs/model-format.md`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from contouring.structures import NAME_PATTERN

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,40}$")]
RoiName = Annotated[str, Field(pattern=NAME_PATTERN)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Millimetres = Annotated[float, Field(gt=0, le=50)]
Margin = Annotated[float, Field(ge=0, le=500)]  # mm
Volume = Annotated[float, Field(gt=0)]  # cm3
Voxels = Annotated[int, Field(ge=1, le=1024)]
ONE_LINE = r"^[^\\\x00-\x1f]+$"
ColourPart = Annotated[int, Field(ge=0, le=255)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class IntensityCard(_Strict):
    """Hounsfield units are clipped to `hu_range`, which is mapped linearly onto `output_range`."""

    hu_range: tuple[float, float]
    output_range: tuple[float, float] = (-1.0, 1.0)

    @model_validator(mode="after")
    def _ascend(self) -> Self:
        for low, high in (self.hu_range, self.output_range):
            if low >= high:
                raise ValueError(f"a range must ascend, not {low} to {high}")
        return self


class InputCard(_Strict):
    """The graph's input: float32 (1, 1, z, y, x), towards the patient's head, back and left."""

    name: str = "image"
    axes: Literal["zyx"] = "zyx"


class OutputCard(_Strict):
    """The graph's output: float32 logits (1, channels, z, y, x), background first."""

    name: str = "logits"


class StageCard(_Strict):
    """One network of the cascade."""

    artifact: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+\.onnx$")]
    sha256: Sha256
    input: InputCard = InputCard()
    output: OutputCard = OutputCard()
    spacing_mm: Literal["native"] | tuple[Millimetres, Millimetres, Millimetres] | None = None
    shape: tuple[Voxels, Voxels, Voxels] | None = None
    window: tuple[Voxels, Voxels, Voxels]
    multiple_of: Annotated[int, Field(ge=1, le=256)] = 1
    overlap: Annotated[float, Field(ge=0, lt=0.9)] = 0.0
    intensity: IntensityCard
    export_tolerance: float | None = None

    @model_validator(mode="after")
    def _one_sampling(self) -> Self:
        if (self.spacing_mm is None) == (self.shape is None):
            raise ValueError("give either spacing_mm (z, y, x; or native) or shape (z, y, x)")
        if any(side % self.multiple_of for side in self.window):
            raise ValueError(f"window {self.window} is not a multiple of {self.multiple_of}")
        return self


class LocalizerCard(StageCard):
    """The coarse network: two channels; channel 1 against channel 0 marks the region."""

    margin_mm: tuple[Margin, Margin, Margin]
    minimum_component_cm3: Annotated[float, Field(ge=0)] = 0.0


class CodeCard(_Strict):
    """A code as DICOM writes it; a backslash would part it in two."""

    value: Annotated[str, Field(max_length=16, pattern=ONE_LINE)]
    scheme: Annotated[str, Field(max_length=16, pattern=ONE_LINE)]
    meaning: Annotated[str, Field(max_length=64, pattern=ONE_LINE)]


class StructureCard(_Strict):
    """One structure: `label` is the segmenter's channel; `components`, how many parts are kept."""

    label: Annotated[int, Field(ge=1, le=254)]
    name: RoiName
    colour: tuple[ColourPart, ColourPart, ColourPart]
    components: Annotated[int, Field(ge=1, le=16)] = 1
    description: str = ""
    interpreted_type: Literal["ORGAN", "EXTERNAL", "CONTROL", ""] = "ORGAN"
    code: CodeCard | None = None
    laterality: CodeCard | None = None
    volume_range_cm3: tuple[Volume, Volume] | None = None


class ModelCard(_Strict):
    """A whole card (`card.yaml`); an unknown field is refused."""

    format: Literal[1]
    name: Name
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    intended_use: Annotated[str, Field(min_length=1)]
    licence: Annotated[str, Field(min_length=1)]
    training_data: Annotated[str, Field(min_length=1)]
    evaluation: Annotated[str, Field(min_length=1)]
    localizer: LocalizerCard | None = None
    segmenter: StageCard
    structures: Annotated[tuple[StructureCard, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _channels_in_order(self) -> Self:
        labels = [structure.label for structure in self.structures]
        if labels != list(range(1, len(labels) + 1)):
            raise ValueError(f"structures must have labels 1, 2, 3, ... in order, not {labels}")
        names = [structure.name.casefold() for structure in self.structures]
        if len(set(names)) < len(names):
            raise ValueError("structure names must differ by more than case")
        return self
