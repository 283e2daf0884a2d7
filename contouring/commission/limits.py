"""How far contours of the phantom may be from the true ones, and why just that far."""

from __future__ import annotations

from dataclasses import dataclass

from contouring.phantom_deviation import Truth

# A shift of a tenth of a millimetre moves the mean by 0.06 mm; drawing the phantom from its voxels
# takes about 0.02 mm (whole HU, chords between points).
MEAN_MM = 0.05
# Half a pixel of a planning CT: the best-known fault, contours through pixel corners or centres.
# Near a pole a border runs along the slice, and the distance in the slice measures nothing.
LARGEST_OFF_POLES_MM = 0.5
# As fractions of the true volume. The same error of the border weighs the more the smaller or
# thinner a solid is; half a pixel lost all around is 5 % of a large ball, and 22 % of one of 8 mm.
VOLUME_ERROR = 0.003
THIN_VOLUME_ERROR = 0.01
SMALL_VOLUME_ERROR = 0.04
TINY_VOLUME_ERROR = 0.08
THIN_MM = 10.0  # tubes and shells with a diameter or wall up to this
SMALL_CM3 = 1.0  # a ball of 8 mm has 0.27 cm³
TINY_CM3 = 0.1  # a nodule of 5 mm has 0.07 cm³


@dataclass(frozen=True)
class Limits:
    """What one structure must keep to; `volume_error` is a fraction of the true volume.

    No slice may be missed and none may be extra: that needs no number.
    """

    mean_mm: float
    largest_off_poles_mm: float
    volume_error: float


def find_limits(truth: Truth) -> Limits:
    """The limits for a solid of this thickness and volume."""
    return Limits(MEAN_MM, LARGEST_OFF_POLES_MM, _volume_limit(truth))


def _volume_limit(truth: Truth) -> float:
    volume_cm3 = truth.volume_mm3 / 1000.0
    if volume_cm3 < TINY_CM3:
        return TINY_VOLUME_ERROR
    if volume_cm3 < SMALL_CM3:
        return SMALL_VOLUME_ERROR
    return THIN_VOLUME_ERROR if truth.shape.thickness_mm <= THIN_MM else VOLUME_ERROR
