"""What a search of a wall's law may be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from physlearn.checks import check_array, check_choice

__all__ = ["WallLawOptions"]

CURVATURES = ("linear", "free")


@dataclass(frozen=True, eq=False)
class WallLawOptions:
    """Settings of `discover_wall_law`.

    Attributes
    ----------
    pins
        Features that may slow, stop or attract the walls: places of shape (k, 2), x and y in the
        track's unit; or a picture of the view (rows, columns), True where a feature is. The laws
        may then hold ``pin_distance``, the distance to the nearest of them, and ``pin_facing``, the
        cosine between the wall's normal and the direction to it. None: no such laws.
    curvature
        ``linear``: a wall's bend acts by a constant times it. ``free``: laws in which its effect
        saturates, is a power, or comes with a mobility that the drive changes are tried too.

    Examples
    --------
    >>> WallLawOptions(pins=[[12.0, 40.0], [55.0, 31.0]]).curvature
    'linear'
    """

    pins: Any = None
    curvature: str = "linear"

    def __post_init__(self) -> None:
        check_choice("curvature", self.curvature, CURVATURES)
        if self.pins is not None:
            check_array("pins", self.pins, ndim=2)
