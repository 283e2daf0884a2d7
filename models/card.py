"""The model card: everything Oarlock must know of a model, validated; `docs/model-format.md`."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from contouring.recipe import IntensityRule, PercentileRule
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
Percent = Annotated[float, Field(ge=0, le=100)]
NotNegative = Annotated[float, Field(ge=0)]
Spacing = Millimetres | Literal["native"]  # along one axis
# Above this, voxels twice as wide as asked would be kept.
OwnWithin = Annotated[float, Field(ge=1, lt=2)]
Artifact = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+\.onnx$")]
# What a precision or a speed-up may cost: the mean Dice over the structures must fall by less than
# the one, and none of them by more than the other.
MEAN_DICE_FALL_LIMIT = 0.002
STRUCTURE_DICE_FALL_LIMIT = 0.005


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class IntensityCard(_Strict):
    """Hounsfield units are clipped to `hu_range`, which is mapped linearly onto `output_range`."""

    hu_range: tuple[float, float]
    output_range: tuple[float, float] = (-1.0, 1.0)

    @property
    def rule(self) -> IntensityRule:
        """The same for `contouring`."""
        return IntensityRule(self.hu_range, self.output_range)

    @model_validator(mode="after")
    def _ascend(self) -> Self:
        _check_ascent(self.hu_range)
        _check_ascent(self.output_range)
        return self


class PercentileCard(_Strict):
    """Clipped at the scan's own percentiles, then less the mean and by the standard deviation."""

    percentiles: tuple[Percent, Percent]

    @property
    def rule(self) -> PercentileRule:
        """The same for `contouring`."""
        return PercentileRule(self.percentiles)

    @model_validator(mode="after")
    def _ascend(self) -> Self:
        _check_ascent(self.percentiles)
        return self


def _check_ascent(limits: tuple[float, float]) -> None:
    low, high = limits
    if low >= high:
        raise ValueError(f"a range must ascend, not {low} to {high}")


def _kind_of_intensity(given: Any) -> str:
    by_percentile = isinstance(given, PercentileCard) or (
        isinstance(given, dict) and "percentiles" in given
    )
    return "percentiles" if by_percentile else "range"


# Told apart by a field, so that a fault is told of the kind that was meant and of no other.
Intensity = Annotated[
    Annotated[IntensityCard, Tag("range")] | Annotated[PercentileCard, Tag("percentiles")],
    Discriminator(_kind_of_intensity),
]


class InputCard(_Strict):
    """The graph's input: float32 (N, 1, z, y, x), towards the patient's head, back and left."""

    name: str = "image"
    axes: Literal["zyx"] = "zyx"


class OutputCard(_Strict):
    """The graph's output: float32 logits (N, channels, z, y, x), background first."""

    name: str = "logits"


class ExportCard(_Strict):
    """How a graph was made, and how well it agrees with the network that was trained.

    `tolerance`: the largest difference of a logit that was allowed, `largest_difference` the one
    that was seen; `argmax_mismatch`: share of voxels where another channel won.
    """

    exporter: Annotated[str, Field(min_length=1, max_length=64, pattern=ONE_LINE)]
    operator_set: Annotated[int, Field(ge=1)]
    precision: Name
    tolerance: NotNegative
    largest_difference: NotNegative
    argmax_mismatch: Annotated[float, Field(ge=0, le=1)]


class OverlapCard(_Strict):
    """What an overlap of the windows gave and cost on judged cases, by `oarlock overlaps`.

    `mean_dice`: of all structures that were drawn; `largest_fall`: how much Dice the structure that
    lost most had lost against the densest overlap; `cpu_seconds`: of a case, the median.
    """

    overlap: Annotated[float, Field(ge=0, lt=0.9)]
    mean_dice: Annotated[float, Field(ge=0, le=1)]
    largest_fall: Annotated[float, Field(ge=0, le=1)]
    cpu_seconds: Annotated[float, Field(gt=0)]


class HalfCard(_Strict):
    """The same network with float16 in its graph, for GPUs; used once the card's gate passed."""

    artifact: Artifact
    sha256: Sha256


class GateCard(_Strict):
    """What a precision costs, measured on cases that were not trained on.

    `mean_dice_change`: of the mean over the structures, negative where it is worse than float32;
    `largest_fall`: of one structure's mean Dice; `runtime`: what it was measured on.
    """

    precision: Literal["float16", "bfloat16"]
    mean_dice_change: Annotated[float, Field(ge=-1, le=1)]
    largest_fall: Annotated[float, Field(ge=-1, le=1)]
    cases: Annotated[int, Field(ge=1)]
    runtime: Annotated[str, Field(min_length=1, max_length=200, pattern=ONE_LINE)]

    @property
    def is_passed(self) -> bool:
        """Whether it may be used."""
        return (
            -self.mean_dice_change < MEAN_DICE_FALL_LIMIT
            and self.largest_fall <= STRUCTURE_DICE_FALL_LIMIT
        )


class StageCard(_Strict):
    """One network of the cascade; a side of 1 in `window` makes it two-dimensional.

    `own_within`: an axis along which the scan's own spacing differs from `spacing_mm` by no more
    than this factor is not resampled. `longest_window`: up to which the windows may grow where the
    region is then covered by fewer voxels; not for networks with statistics of a window.
    `overlap_curve`: what was measured of other overlaps than the one that is used. `crops_to_body`:
    it is shown the box around the patient alone; a segmenter only where there is no localizer.
    """

    artifact: Artifact
    sha256: Sha256
    half: HalfCard | None = None
    input: InputCard = InputCard()
    output: OutputCard = OutputCard()
    spacing_mm: Literal["native"] | tuple[Spacing, Spacing, Spacing] | None = None
    own_within: OwnWithin | None = None
    shape: tuple[Voxels, Voxels, Voxels] | None = None
    window: tuple[Voxels, Voxels, Voxels]
    multiple_of: Annotated[int, Field(ge=1, le=256)] = 1
    overlap: Annotated[float, Field(ge=0, lt=0.9)] = 0.0
    overlap_curve: tuple[OverlapCard, ...] = ()
    longest_window: tuple[Voxels, Voxels, Voxels] | None = None
    crops_to_body: bool = False
    intensity: Intensity
    export_tolerance: float | None = None
    export: ExportCard | None = None

    def in_half(self) -> Self:
        """The same with its float16 artifact, which it must have."""
        assert self.half is not None
        changed = {"artifact": self.half.artifact, "sha256": self.half.sha256, "half": None}
        return self.model_copy(update=changed)

    @model_validator(mode="after")
    def _one_sampling(self) -> Self:
        if (self.spacing_mm is None) == (self.shape is None):
            raise ValueError("give either spacing_mm (z, y, x; or native) or shape (z, y, x)")
        if self.own_within is not None and self.spacing_mm in (None, "native"):
            raise ValueError("own_within needs spacing_mm (z, y, x) in mm")
        if any(side % self.multiple_of for side in self.window if side > 1):
            raise ValueError(f"window {self.window} is not a multiple of {self.multiple_of}")
        for side, longest in zip(self.window, self.longest_window or self.window, strict=True):
            if longest < side or (longest - side) % self.multiple_of:
                raise ValueError(
                    f"longest_window {self.longest_window} must be window {self.window}, or longer "
                    f"by multiples of {self.multiple_of}"
                )
        return self


class LocalizerCard(StageCard):
    """The coarse network: whatever is not background marks the region.

    `narrowing`: the segmenter sees a `box` around it, `margin_mm` larger on each side, or only the
    voxels within `dilation_mm` of it: a `mask`. `body_reach_mm`: only what lies within that
    distance of the patient's body counts. `crops_to_body` goes with narrowing by a box.
    """

    channels: Annotated[int, Field(ge=2, le=255)] = 2
    narrowing: Literal["box", "mask"] = "box"
    margin_mm: tuple[Margin, Margin, Margin] | None = None
    dilation_mm: Margin | None = None
    body_reach_mm: Margin | None = None
    minimum_component_cm3: NotNegative = 0.0

    @model_validator(mode="after")
    def _one_narrowing(self) -> Self:
        given = {"margin_mm": self.margin_mm, "dilation_mm": self.dilation_mm}
        wanted, other = (
            ("margin_mm", "dilation_mm")
            if self.narrowing == "box"
            else ("dilation_mm", "margin_mm")
        )
        if self.crops_to_body and self.narrowing == "mask":
            raise ValueError("crops_to_body goes with narrowing by a box")
        if given[wanted] is None:
            raise ValueError(f"narrowing by {self.narrowing} needs {wanted}")
        if given[other] is not None:
            raise ValueError(f"narrowing by {self.narrowing} takes {wanted}, not {other}")
        return self


class CodeCard(_Strict):
    """A code as DICOM writes it; a backslash would part it in two."""

    value: Annotated[str, Field(max_length=16, pattern=ONE_LINE)]
    scheme: Annotated[str, Field(max_length=16, pattern=ONE_LINE)]
    meaning: Annotated[str, Field(max_length=64, pattern=ONE_LINE)]


class StructureCard(_Strict):
    """One structure: `label` is the segmenter's channel; `components`, how many parts are kept.

    Smaller parts than `minimum_cm3` are dropped before, and so are those that touch none of the
    structures named in `touches`, if any are.
    """

    label: Annotated[int, Field(ge=1, le=254)]
    name: RoiName
    colour: tuple[ColourPart, ColourPart, ColourPart]
    components: Annotated[int, Field(ge=1, le=16)] | Literal["all"] = 1
    minimum_cm3: NotNegative = 0.0
    touches: tuple[RoiName, ...] = ()
    description: str = ""
    interpreted_type: Literal["ORGAN", "EXTERNAL", "CONTROL", ""] = "ORGAN"
    code: CodeCard | None = None
    laterality: CodeCard | None = None
    volume_range_cm3: tuple[Volume, Volume] | None = None


class ModelCard(_Strict):
    """A whole card (`card.yaml`); an unknown field is refused.

    `anchors`: structures of which one at least must be found, or nothing is contoured. `gates`:
    what was measured of precisions below float32.
    """

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
    anchors: tuple[RoiName, ...] = ()
    gates: tuple[GateCard, ...] = ()

    @property
    def accepted_precisions(self) -> frozenset[str]:
        """Those below float32 that cost next to nothing."""
        return frozenset(gate.precision for gate in self.gates if gate.is_passed)

    @model_validator(mode="after")
    def _gates_make_sense(self) -> Self:
        judged = [gate.precision for gate in self.gates]
        if len(set(judged)) < len(judged):
            raise ValueError("gates: each precision is judged once")
        if "float16" in judged and self.segmenter.half is None:
            raise ValueError("gates: float16 was judged, and the segmenter has no half artifact")
        return self

    @model_validator(mode="after")
    def _one_crop(self) -> Self:
        if self.localizer is not None and self.segmenter.crops_to_body:
            raise ValueError(
                "segmenter: crops_to_body goes without a localizer, which narrows the scan itself"
            )
        return self

    @model_validator(mode="after")
    def _anchors_known(self) -> Self:
        if unknown := set(self.anchors) - {structure.name for structure in self.structures}:
            raise ValueError(f"anchors: {', '.join(sorted(unknown))} is no structure of this card")
        return self

    @model_validator(mode="after")
    def _channels_in_order(self) -> Self:
        labels = [structure.label for structure in self.structures]
        if labels != list(range(1, len(labels) + 1)):
            raise ValueError(f"structures must have labels 1, 2, 3, ... in order, not {labels}")
        names = [structure.name.casefold() for structure in self.structures]
        if len(set(names)) < len(names):
            raise ValueError("structure names must differ by more than case")
        return self

    @model_validator(mode="after")
    def _touching_known(self) -> Self:
        check_touching(self.structures)
        return self


def check_touching(structures: tuple[StructureCard, ...]) -> None:
    """What `touches` names must be settled by itself: another structure without `touches`."""
    settled = {structure.name for structure in structures if not structure.touches}
    for structure in structures:
        if unsettled := set(structure.touches) - settled:
            raise ValueError(
                f"{structure.name} touches {', '.join(sorted(unsettled))}: "
                "name structures of this card that have no touches of their own"
            )
