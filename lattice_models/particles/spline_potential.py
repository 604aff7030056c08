"""Any pair potential, given by its values at knots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array
from physlearn.lattice_models.particles.pair_potential import Derivatives, PairPotential
from physlearn.records.storage import html_table, short_repr

__all__ = ["SplinePotential"]

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SplinePotential(PairPotential):
    """Any pair potential as a cubic spline through ``values`` at ``knots``.

    The second derivative is 0 at the first knot and the slope is 0 at the last knot, which is
    the cutoff; below the first knot the energy goes on as a straight line. The spline is
    evaluated as it is (no second table), so energy and force agree to round-off.

    Attributes
    ----------
    knots
        float64, shape (n,), n >= 3: increasing distances above 0.
    values
        float64, shape (n,): energies; the last one must be 0.

    Raises
    ------
    InputError
        For knots that do not increase, or a last value that is not 0.

    Examples
    --------
    >>> bump = SplinePotential([0.5, 1.0, 1.5], [2.0, 0.5, 0.0])
    >>> bump.value([1.0, 1.5]).tolist()
    [0.5, 0.0]
    """

    knots: ArrayLike
    values: ArrayLike

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        knots = check_array("knots", self.knots, ndim=1)
        values = check_array("values", self.values, shape=(len(knots),))
        if len(knots) < 3 or knots[0] <= 0.0 or (np.diff(knots) <= 0.0).any():
            raise InputError(
                f"knots must be at least 3 increasing distances above 0; got {knots[:6].tolist()}."
            )
        if values[-1] != 0.0:
            raise InputError(
                f"values must end with 0 (the last knot is the cutoff); got {values[-1]:g}: "
                "subtract it from all values."
            )
        if self.cutoff not in (None, float(knots[-1])) or self.truncation == "switch":
            raise InputError("a SplinePotential ends at its last knot; give no cutoff or switch.")
        for name, array in (("knots", knots), ("values", values)):
            array = array.copy()
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        object.__setattr__(self, "cutoff", float(knots[-1]))
        super().__post_init__()

    @property
    def energy_scale(self) -> float:
        """The largest energy at a knot beyond the first, or below it where there is a well."""
        return float(np.abs(np.asarray(self.values)[1:]).max()) or 1.0

    def _shift(self) -> float:
        return 0.0

    def _spline(self) -> Any:
        from scipy.interpolate import CubicSpline

        ends: Any = ((2, 0.0), (1, 0.0))
        return CubicSpline(np.asarray(self.knots), np.asarray(self.values), bc_type=ends)

    def _plain(self, r: Float) -> Derivatives:
        spline, first = self._spline(), float(np.asarray(self.knots)[0])
        below = np.minimum(r - first, 0.0)
        inner = np.maximum(r, first)
        u, du, ddu = (np.asarray(spline(inner, order)) for order in (0, 1, 2))
        return u + below * du, du, np.where(below < 0.0, 0.0, ddu)

    def _parameters(self) -> tuple[int, tuple[float, ...]]:
        knots = np.asarray(self.knots)
        n_bins = 4 * (len(knots) - 1)
        return 4, (0.0, n_bins, knots[0], n_bins / (knots[-1] - knots[0]))

    def _spline_table(self) -> Float:
        """One row a bin of distance: knot, coefficients 0-3 of interval k; first interval there."""
        knots = np.asarray(self.knots)
        n_bins = 4 * (len(knots) - 1)
        table = np.zeros((n_bins, 6))
        table[: len(knots) - 1, 0] = knots[:-1]
        table[len(knots) - 1 :, 0] = np.inf
        table[: len(knots) - 1, 1:5] = self._spline().c[::-1].T
        edges = np.linspace(knots[0], knots[-1], n_bins + 1)[:-1]
        first = np.searchsorted(knots, edges, side="right") - 2  # one early: round-off of the bin
        table[:, 5] = np.clip(first, 0, len(knots) - 2)
        return table
