"""A harmonic trap: the external potential with closed forms for everything."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array
from physlearn.records.storage import html_table, short_repr

__all__ = ["HarmonicTrap"]

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class HarmonicTrap:
    """u = (1/2) sum over axes of stiffness (x - center)^2 for every particle (open axes only).

    Attributes
    ----------
    stiffness
        One number or one a axis, energy / length^2; 0 leaves an axis free.
    center
        Where the trap is least; None: the origin.

    Raises
    ------
    InputError
        For a negative stiffness.

    Examples
    --------
    >>> HarmonicTrap((1.0, 4.0)).value([[1.0, 1.0], [0.0, 0.0]]).tolist()
    [2.5, 0.0]
    """

    stiffness: ArrayLike = 1.0
    center: ArrayLike | None = None

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        stiffness = check_array("stiffness", self.stiffness, minimum=0.0)
        if stiffness.ndim > 1 or stiffness.size > 3 or (stiffness.ndim == 1 and stiffness.size < 2):
            raise InputError(f"stiffness must be one number or one an axis; got {stiffness.shape}.")
        object.__setattr__(self, "stiffness", stiffness)
        if self.center is not None:
            object.__setattr__(self, "center", check_array("center", self.center, ndim=1))

    def axes(self, dimension: int) -> tuple[Float, Float]:
        """Return stiffness and center per axis, each of shape (dimension,)."""
        stiffness = np.asarray(self.stiffness, dtype=np.float64)
        if stiffness.ndim and stiffness.shape != (dimension,):
            raise InputError(
                f"stiffness of the trap must be one number or {dimension}; got {stiffness.size}."
            )
        center = np.zeros(dimension) if self.center is None else np.asarray(self.center)
        if center.shape != (dimension,):
            raise InputError(f"center of the trap must have {dimension} numbers; got {center.size}")
        return np.broadcast_to(stiffness, (dimension,)).astype(np.float64), center

    def value(self, positions: ArrayLike) -> Float:
        """Return each particle's energy, shape (n,), at positions of shape (n, d)."""
        x = check_array("positions", positions, ndim=2)
        stiffness, center = self.axes(x.shape[1])
        return np.asarray(0.5 * ((x - center) ** 2 @ stiffness))
