"""Contouring began, and gave nothing that may leave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from contouring.errors.root import OarlockError

if TYPE_CHECKING:
    from contouring.drafts import Output


class InferenceError(OarlockError):
    """A network that failed, or whose output makes no sense."""

    code = "inference-failed"


class NothingFoundError(OarlockError):
    """A scan in which a model found none of its structures, or of its `anchors` if it has some."""

    code = "nothing-found"

    def __init__(self, model: str, structures: Sequence[str], anchors: Sequence[str] = ()) -> None:
        self.model, self.structures, self.anchors = model, tuple(structures), tuple(anchors)
        none_of = "the structures that it must find one of" if anchors else "its structures"
        super().__init__(
            f"The model {model} found none of {none_of}, so no structure set was made. Not in this "
            f"scan: {', '.join(anchors or structures)}. Check that it shows the model's body part."
        )


class DerivationError(OarlockError):
    """A derived structure that a template asks for and that cannot be made."""

    code = "derivation-failed"

    def __init__(self, structure: str, fault: str) -> None:
        self.structure, self.fault = structure, fault
        super().__init__(f"The derived structure {structure} cannot be made: {fault}")


class StructureSetError(OarlockError):
    """A structure set that would be invalid or incomplete."""

    code = "structure-set-invalid"


class ReleaseCheckError(OarlockError):
    """A structure set that failed its release check; `withheld`: it, for the report alone."""

    code = "release-check-failed"

    def __init__(self, breaches: Sequence[str], withheld: Output | None = None) -> None:
        self.breaches, self.withheld = tuple(breaches), withheld
        super().__init__(
            "The written structure set was read back and does not hold what the network said, so "
            f"it was not released. {' '.join(breaches)} Report this with the job's id."
        )
