"""One loss over all combinations of a network's scales, with weights that adapt.

Ancestor: the multi-stage feature mixing (MUTATION) of MERIT (Rahman and Marculescu, MIDL 2023):
the predictions of every non-empty subset of n scales are added, and the losses of the 2^n - 1 sums
are added too. The full subset is the answer that the network gives.

Of MCFNet (Hao et al., arXiv 2411.15526) it is public that its weights adapt, not how. Our reading:
each combination has a learned variance and costs L / (2 var) + ln(1 + var), after Kendall et al.
(CVPR 2018) in the form of Liebel and Koerner (arXiv 1805.06334), which stays positive. A
combination that cannot be made to fit loses weight instead of dragging the others along.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import combinations

import torch
from torch import Tensor, nn

EQUAL_VARIANCE = 0.5  # of which the weight 1 / (2 var) is one: training starts as MERIT's


def combine_scales(scales: int) -> tuple[tuple[int, ...], ...]:
    """The non-empty subsets of `scales` indices, singles first, the full one last."""
    return tuple(
        chosen for count in range(1, scales + 1) for chosen in combinations(range(scales), count)
    )


class ScaleAggregation(nn.Module):
    """The mean over all combinations of scales of their weighted losses.

    The mean, not MERIT's sum, so that a learning rate and a limit on the gradient mean what they
    mean for a network with one prediction. When `adaptive`, `log_variances` is to be learned by the
    optimiser of the network and to be kept in its checkpoints; otherwise all weights are one.
    """

    def __init__(self, scales: int = 4, adaptive: bool = True) -> None:
        super().__init__()
        self.subsets = combine_scales(scales)
        self.adaptive = adaptive
        if adaptive:
            equal = torch.full((len(self.subsets),), math.log(EQUAL_VARIANCE))
            self.log_variances = nn.Parameter(equal)

    @property
    def weights(self) -> Tensor:
        """How much the loss of each of `subsets` counts, (combinations,)."""
        if self.adaptive:
            return torch.exp(-self.log_variances) / 2
        return torch.ones(len(self.subsets))

    def forward(self, predictions: Sequence[Tensor], loss: Callable[[Tensor], Tensor]) -> Tensor:
        """`predictions`: logits of each scale, all of one shape; `loss`: of one answer, a scalar.

        Added in float32, for sixteen bits lose what the finest scale adds.
        """
        logits = [prediction.float() for prediction in predictions]
        losses = torch.stack([loss(_added(logits, subset)) for subset in self.subsets])
        if not self.adaptive:
            return losses.mean()
        penalties = nn.functional.softplus(self.log_variances)  # ln(1 + var)
        return (self.weights * losses + penalties).mean()


def _added(logits: Sequence[Tensor], subset: tuple[int, ...]) -> Tensor:
    first, *others = (logits[index] for index in subset)
    for other in others:
        first = first + other
    return first
